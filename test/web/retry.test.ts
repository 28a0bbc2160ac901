import t from "tap";
import type { ConnectionState } from "../../client/connection-state.ts";
import { retryText } from "../../web/retry.ts";

t.test("[W24] without a connection the page tells when it tries again", async (t) => {
  const waiting: ConnectionState = {
    name: "waiting",
    attempt: 3,
    delayMs: 4_000,
    code: 1006,
    reason: "gone",
  };
  const rows: [ConnectionState, number, string][] = [
    [waiting, 4_000, "Trying again in 4 s"],
    [waiting, 3_001, "Trying again in 4 s"],
    [waiting, 20, "Trying again in 1 s"],
    [waiting, -50, "Trying again in 1 s"],
    [{ name: "connecting", attempt: 3 }, 0, "Trying now …"],
    [{ name: "connecting", attempt: 0 }, 0, ""],
    [{ name: "open" }, 0, ""],
    [{ name: "closed", code: 4401, reason: "no token" }, 0, ""],
  ];
  for (const [state, left, text] of rows) t.equal(retryText(state, left), text);
});
