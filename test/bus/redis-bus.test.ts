import t from "tap";
import { systemClock } from "../../src/clock.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { openRedisBus } from "../../src/transport/bus/redis-bus.ts";
import { testRedis } from "../support/redis.ts";
import { configurationContract } from "./configuration.ts";
import { busContract, type OpenBus } from "./contract.ts";

const url = await testRedis(t);

const open: OpenBus = async (t) => {
  const bus = await openRedisBus({ url, log: createLog("silent"), clock: systemClock, random: Math.random });
  t.teardown(() => bus.close());
  return bus;
};
busContract(t, open);
configurationContract(t, open);
