import t from "tap";
import { connect } from "../../client/connection.ts";
import { countInView } from "../../web/legend.ts";
import { full, script } from "../client/scripted.ts";

const THEN = "2024-06-06T08:00:00.000Z";

t.test("[W25] the legend has no number while nobody knows how many there are", async (t) => {
  const { options, last } = script();
  const connection = connect("ws://node", options);
  last().open();
  const snapshot = (view: string, entities: object[]) =>
    last().receive({
      ...{ op: "snapshot", view, n: 1, first: true, last: true, tick: 1, t: THEN, lag: 0, entities },
    });
  const playback = (state: string) =>
    last().receive({ op: "playback", view: "v2", t: THEN, speed: 0, state, updates: 0 });

  const live = connection.view({ bbox: [0, 0, 1, 1] });
  const count = (view: typeof live) => countInView(view.inBox(), view);
  t.equal(count(live), undefined, "nothing has come yet");
  snapshot("v1", []);
  t.equal(count(live), 0);

  const past = connection.view({ bbox: [0, 0, 1, 1], at: new Date(THEN), speed: 0 });
  for (const [state, number] of [
    ["loading", undefined],
    ["paused", 0],
    ["crowded", undefined],
    ["unavailable", undefined],
  ] as const) {
    playback(state);
    snapshot("v2", []);
    t.equal(count(past), number, state);
  }
  snapshot("v2", [full("a", 0.5, 0.5)]);
  t.equal(count(past), 1, "what is shown is counted");
  connection.close();
});
