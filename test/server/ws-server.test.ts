import t from "tap";
import { createWsServer } from "../../src/transport/server/ws-server.ts";
import { serverContract } from "./contract.ts";
import { HANG_MS, TIMES } from "./contract-rig.ts";

serverContract(t, createWsServer, {
  headersMs: [TIMES.headersMs * 0.9, HANG_MS],
  noise: "problem",
  continues: "wanted",
  badText: 1007,
  afterEarly: "closes",
  rare: "served",
  unanswered: 1006,
});
