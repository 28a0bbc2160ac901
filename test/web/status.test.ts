import t from "tap";
import type { ConnectionState } from "../../client/connection-state.ts";
import type { ViewState } from "../../client/view.ts";
import type { PlaybackState } from "../../src/transport/feed/protocol.ts";
import { ageText, statusOf } from "../../web/status.ts";

t.test("[W6] the lamp is green only if what is shown is live and durable", async (t) => {
  const open: ConnectionState = { name: "open" };
  const waiting = { name: "waiting", attempt: 1, delayMs: 5, reason: "gone" } as const;
  const rows: [ConnectionState, ViewState | undefined, boolean, string, string][] = [
    [{ name: "connecting", attempt: 0 }, "loading", false, "connecting", "Connecting"],
    [open, "loading", false, "connecting", "Loading"],
    [open, "live", false, "live", "Live"],
    [open, "live", true, "stale", "Stale: the database is away"],
    [open, "stale", false, "stale", "Stale: catching up"],
    [open, "failed", false, "closed", "The node refused the view"],
    [{ ...waiting, code: 1001 }, "stale", false, "reconnecting", "Reconnecting: gone"],
    [{ ...waiting, code: 1006 }, "stale", false, "reconnecting", "The connection is lost"],
    [{ name: "connecting", attempt: 2 }, "stale", true, "reconnecting", "Reconnecting"],
    [{ name: "closed", code: 4401, reason: "no token" }, "closed", false, "closed", "Closed: no token"],
  ];
  for (const [connection, view, away, name, text] of rows) {
    t.strictSame(statusOf(connection, view, away, false), { name, text });
  }
});

t.test("[W6] a picture that nothing is heard of is stale", async (t) => {
  t.strictSame(statusOf({ name: "open" }, "live", false, true), {
    name: "stale",
    text: "Stale: nothing is heard",
  });
});

t.test("[W6] a picture that cannot be drawn is not green, whether it is of now or of then", async (t) => {
  for (const past of [undefined, "paused"] as const) {
    const { name, text } = statusOf({ name: "open" }, "live", false, false, past, true);
    t.strictSame([name, text], ["stale", "Not drawn: the browser lost WebGL"]);
  }
});

t.test("[W25] the lamp says when what was cannot be shown", async (t) => {
  const rows: [PlaybackState, string, string][] = [
    ["paused", "past", "The past"],
    ["crowded", "stale", "The past: too much to be shown"],
    ["unavailable", "stale", "The past cannot be read"],
  ];
  for (const [past, name, text] of rows)
    t.strictSame(statusOf({ name: "open" }, "live", false, false, past), { name, text });
});

t.test("[W13] the age of the picture is told in words, with the server's lag", async (t) => {
  const rows: [age: number, lag: number, text: string][] = [
    [NaN, NaN, ""],
    [340, 12.4, "as of 0.3 s ago, lag 12 ms"],
    [-5, 0, "as of 0.0 s ago, lag 0 ms"],
    [340, -1.2, "as of 0.3 s ago, lag 0 ms"],
    [9_960, 3, "as of 10 s ago, lag 3 ms"],
    [125_000, NaN, "as of 2 min ago"],
  ];
  for (const [age, lag, text] of rows) t.equal(ageText(age, lag), text);
});
