// What the details tell of the selected entity, with views and answers made up.
import t, { type Test } from "tap";
import type { PlaybackView } from "../../client/playback-view.ts";
import type { Entity } from "../../client/replica.ts";
import type { View } from "../../client/view.ts";
import type { ClusterCell, PlaybackState } from "../../src/transport/feed/protocol.ts";
import { type Details, momentOf, noteOf } from "../../web/details.ts";
import { Forbidden, Unauthorized } from "../../web/rest.ts";
import { Selection } from "../../web/selection.ts";
import { full } from "../client/scripted.ts";

const THEN = Date.parse("2024-06-06T08:00:00.000Z");
const one = (state: string) => full("a", 1, 2, { state }) as Entity;
const viewOf = (isLive: boolean, time = THEN, playback: PlaybackState = "paused") => ({
  ...{ isLive, time, playback, entities: new Map<string, Entity>(), bbox: [0, 0, 10, 10] },
  clusters: [] as ClusterCell[],
});
type Made = ReturnType<typeof viewOf>;

/** A page that shows `view`; `past` is the one that is asked for, if it is of what was. */
function made(t: Test) {
  const shown: { view: Made; past: Made | undefined } = { view: viewOf(true), past: undefined };
  const questions: {
    at?: number;
    answer(entity: Entity | undefined): Promise<void>;
    fail(error?: Error): Promise<void>;
  }[] = [];
  const found: string[] = [];
  const clock = { now: 0 };
  const rest = {
    entity: (_id: string, at?: number) =>
      new Promise<Entity | undefined>((resolve, reject) => {
        const settled = () => new Promise<void>((done) => void setImmediate(done));
        questions.push({
          at,
          answer(entity) {
            resolve(entity);
            return settled();
          },
          fail(error = new Error("the node answered 503")) {
            reject(error);
            return settled();
          },
        });
      }),
  };
  const selection = new Selection(shown as unknown as { view: View; past: PlaybackView | undefined }, rest, {
    changed: () => {},
    found: ({ state }) => void found.push(state),
  });
  const tells = (expected: Partial<Details> | object, why: string) =>
    t.match(selection.details(clock.now), expected, why);
  return { shown, selection, questions, found, tells, clock };
}

t.test(
  "[W21] what is not in view is told as it was at the time that is shown, and as it is at live",
  async (t) => {
    const { shown, selection, questions, found, tells, clock } = made(t);
    selection.select("a", { entity: one("now") });
    tells({ at: undefined, entity: { state: "now" }, sight: "away" }, "live");
    t.equal(questions.length, 0, "it is known already");

    const past = viewOf(false, THEN, "loading");
    shown.past = past;
    tells({ at: THEN, entity: undefined, reason: "Looking it up …" }, "what is now says nothing of then");
    t.equal(questions.length, 0, "it may be in view in a moment");
    shown.view = past;
    past.playback = "paused";
    selection.details(clock.now);
    t.match(questions, [{ at: THEN }]);
    selection.details(clock.now);
    t.equal(questions.length, 1, "it is asked for once");
    await questions[0].answer(one("then"));
    tells({ at: THEN, entity: { state: "then" }, sight: "away" }, "then");

    past.time = THEN + 60_000;
    tells({ at: THEN, entity: { state: "then" } }, "with the time of what is known, until the other is");
    await questions[1].answer(undefined);
    tells(
      { at: THEN + 60_000, entity: undefined, reason: /^Nothing is known of it at this time/ },
      "nothing",
    );

    past.time += 1;
    selection.details(clock.now);
    await questions[2].fail();
    tells({ reason: "It cannot be looked up: the node answered 503." }, "why not");

    shown.past = undefined;
    tells({ at: undefined, entity: undefined, reason: "Looking it up …" }, "not yet live");
    shown.view = viewOf(true);
    selection.details(clock.now);
    t.match(questions[3], { at: undefined });
    await questions[3].answer(one("later"));
    tells({ at: undefined, entity: { state: "later" } }, "as it is");
    t.same(found, [], "the map is not moved for what was selected before");
  },
);

t.test("[W21] what is in view is told by the view, once that shows what was asked for", async (t) => {
  const { shown, selection, questions, tells, clock } = made(t);
  shown.view.entities.set("a", one("now"));
  selection.select("a");
  tells({ at: undefined, entity: { state: "now" }, sight: "in-view" }, "live");
  const past = viewOf(false);
  past.entities.set("a", one("then"));
  shown.view = shown.past = past;
  tells({ at: THEN, entity: { state: "then" }, sight: "in-view" }, "then");
  past.time += 60_000;
  past.playback = "loading";
  tells({ at: THEN, entity: { state: "then" }, sight: "in-view" }, "the view is still of the moment before");
  t.equal(questions.length, 0);
  for (const playback of ["crowded", "unavailable"] as const) {
    past.playback = playback;
    past.time += 1;
    clock.now += 1_000;
    selection.details(clock.now);
    await questions.at(-1)!.answer(one(playback));
    tells({ at: past.time, entity: { state: playback }, sight: "away" }, "one can be told where all cannot");
  }
});

t.test("[W5] [W21] why an entity left the live view is not told of what it was", async (t) => {
  const { shown, selection, tells, clock } = made(t);
  shown.view.entities.set("a", one("now"));
  selection.select("a");
  selection.details(clock.now);
  shown.view.entities.clear();
  selection.removed([
    ["b", "expired"],
    ["a", "deleted"],
  ]);
  tells({ entity: { state: "now" }, sight: "away", gone: "deleted" }, "live");
  const past = viewOf(false);
  past.entities.set("a", one("then"));
  shown.view = shown.past = past;
  selection.details(clock.now);
  past.entities.clear();
  selection.removed([["a", "left"]]);
  tells({ at: THEN, sight: "away", gone: undefined }, "then");
  t.match(noteOf(one("then"), "away", undefined, true), /^Not in view, as it was outside/);
});

t.test("[W21] while the past plays what is not in view is asked about once a second", async (t) => {
  const { shown, selection, questions, tells, clock } = made(t);
  selection.select("a", { entity: one("now") });
  const past = viewOf(false, THEN, "playing");
  shown.view = shown.past = past;
  for (let ms = 0; ms < 10_000; ms += 10) {
    clock.now = ms;
    past.time = THEN + ms;
    selection.details(ms);
    // Each answer is shown at once, so that it is looked up again.
    await questions.at(-1)!.answer(ms < 5_000 ? one(`${ms}`) : undefined);
    if (ms < 5_000) tells({ at: THEN + Math.floor(ms / 1_000) * 1_000, sight: "away" }, "of its own time");
  }
  t.equal(questions.length, 10);
  past.playback = "paused";
  selection.details(clock.now);
  t.equal(questions.length, 11, "where it stands still it is asked for at once");
  past.playback = "playing";
  selection.select("b");
  selection.details(clock.now);
  t.equal(questions.length, 12, "and of another one");
});

t.test("[W8] an answer about another one is not told, and only what was sought moves the map", async (t) => {
  const { selection, questions, found, tells, clock } = made(t);
  selection.seek("b");
  selection.details(clock.now);
  selection.seek("a");
  tells({ id: "a", reason: "Looking it up …" }, "asked");
  await questions[0].answer(one("of b"));
  tells({ id: "a", reason: "Looking it up …" }, "still asked");
  await questions[1].answer(one("of a"));
  tells({ id: "a", entity: { state: "of a" } }, "answered");
  t.same(found, ["of a"]);
  selection.select(undefined);
  t.equal(selection.details(clock.now), undefined);
});

t.test("[W21] the details say of which time they are", async (t) => {
  t.equal(momentOf(undefined), "");
  t.match(momentOf(THEN), /^As it was at 2024-06-06 08:00:00 UTC/);
});

t.test("[W23] who was asked to sign off out of view is looked up once more", async (t) => {
  const { selection, questions, tells, clock } = made(t);
  selection.select("a", { entity: one("online") });
  tells({ entity: { state: "online" } }, "as it was found");
  selection.outdate("b");
  selection.details(clock.now);
  t.equal(questions.length, 0, "another one was asked");
  selection.outdate("a");
  selection.details(clock.now);
  selection.details(clock.now);
  t.equal(questions.length, 1);
  await questions[0].answer(one("offline"));
  tells({ entity: { state: "offline" } }, "as it is now");
  t.equal(questions.length, 1);
});

t.test("[W28] who leaves the live view is looked up at once, and again while out of view", async (t) => {
  const { shown, selection, questions, tells, clock } = made(t);
  shown.view.entities.set("a", one("in view"));
  selection.select("a");
  selection.details(clock.now);
  t.equal(questions.length, 0);
  shown.view.entities.clear();
  selection.removed([["a", "left"]]);
  tells({ entity: { state: "in view" }, sight: "away" }, "as it was last told, until it is looked up");
  t.equal(questions.length, 1, "at once");
  await questions[0].answer(one("beyond"));
  tells({ entity: { state: "beyond" }, sight: "away" }, "as it is");

  for (const end = clock.now + 60_000; clock.now < end; clock.now += 500) {
    const before = questions.length;
    selection.details(clock.now);
    if (questions.length > before) await questions.at(-1)!.answer(one(`${clock.now}`));
  }
  t.equal(questions.length, 6, "each 10 s");
  tells({ entity: { state: "50000" } }, "where it went");

  clock.now += 10_000;
  selection.details(clock.now);
  await questions.at(-1)!.fail();
  const failure = "It cannot be looked up: the node answered 503.";
  tells({ entity: { state: "50000" }, failure }, "what is known stays, with why it is not renewed");
  clock.now += 10_000;
  selection.details(clock.now);
  await questions.at(-1)!.answer(one("renewed"));
  tells({ entity: { state: "renewed" }, failure: "" }, "there again");
});

t.test("[W28] who was deleted is told as it was, until it is reported again", async (t) => {
  const { shown, selection, questions, tells, clock } = made(t);
  shown.view.entities.set("a", one("before"));
  selection.select("a");
  selection.details(clock.now);
  shown.view.entities.clear();
  selection.removed([["a", "deleted"]]);
  selection.details(clock.now);
  await questions[0].answer(undefined);
  tells({ entity: { state: "before" }, gone: "deleted" }, "deleted");
  clock.now += 10_000;
  selection.details(clock.now);
  await questions[1].answer(one("elsewhere"));
  tells({ entity: { state: "elsewhere" }, gone: undefined }, "reported again");
});

t.test("[W28] to be shown, it is asked where it is", async (t) => {
  const { shown, selection, questions, found, clock } = made(t);
  selection.select("a", { entity: one("of before") });
  selection.details(clock.now);
  selection.show();
  selection.details(clock.now);
  t.same(found, [], "not where it was");
  t.equal(questions.length, 1);
  await questions[0].answer(one("now"));
  t.same(found, ["now"]);
  shown.view.entities.set("a", one("in view"));
  selection.details(clock.now);
  t.same(found, ["now"], "once");
  selection.show();
  selection.details(clock.now);
  t.same(found, ["now", "in view"], "what is in view is known");
  t.equal(questions.length, 1);
});

t.test("[W8] [W29] what is sought is shown, in view or not, and what is clicked is not moved", async (t) => {
  const { shown, selection, questions, found, tells, clock } = made(t);
  const { entities } = shown.view;
  entities.set("a", one("in view"));
  selection.select("a");
  selection.details(clock.now);
  t.same(found, [], "clicked");
  selection.seek("a");
  tells({ entity: { state: "in view" }, sight: "in-view" }, "it may be beneath a panel");
  t.same(found, ["in view"]);
  entities.set("a", full("a", 10.5, 2, { state: "beside" }) as Entity);
  selection.seek("a");
  tells({ entity: { state: "beside" }, sight: "beside" }, "the view holds more than the map shows");
  t.same(found, ["in view", "beside"]);
  t.equal(questions.length, 0);
});

t.test("[W30] who is grouped with others is told so, and looked up each 10 s", async (t) => {
  const { shown, selection, questions, found, tells, clock } = made(t);
  shown.view.clusters = [[1, 2, 9_000]];
  selection.seek("a");
  selection.details(clock.now);
  await questions[0].answer(one("grouped"));
  tells({ entity: { state: "grouped" }, sight: "grouped" }, "in the box");
  t.same(found, ["grouped"]);
  clock.now += 10_000;
  selection.details(clock.now);
  await questions[1].answer(full("a", 11, 2, { state: "outside" }) as Entity);
  tells({ entity: { state: "outside" }, sight: "away" }, "outside the box");
  clock.now += 10_000;
  selection.details(clock.now);
  await questions[2].answer({ ...one("lost"), liveness: "expired" });
  tells({ entity: { state: "lost" }, sight: "away" }, "no cluster has it");
});

t.test(
  "[W31] what could not be looked up is shown once it can, unless the reader has moved on",
  async (t) => {
    const { selection, questions, found, tells, clock } = made(t);
    for (const isForgone of [false, true]) {
      selection.seek("a");
      selection.details(clock.now);
      await questions.at(-1)!.fail();
      tells({ entity: undefined, reason: "It cannot be looked up: the node answered 503." }, "why not");
      if (isForgone) selection.forgo();
      clock.now += 10_000;
      selection.details(clock.now);
      await questions.at(-1)!.answer(one("there"));
      tells({ entity: { state: "there" } }, "there again");
      t.same(found, ["there"]);
    }
  },
);

t.test("[AC112] what may not be looked up any more is not told any more", async (t) => {
  for (const [error, isTold] of [
    [new Forbidden("no role allows it"), false],
    [new Unauthorized("a token is needed"), false],
    [new Error("the node answered 503"), true],
  ] as const) {
    const { selection, questions, tells, clock } = made(t);
    selection.select("a", { entity: one("before") });
    selection.outdate("a");
    selection.details(clock.now);
    await questions[0].fail(error);
    const reason = `It cannot be looked up: ${error.message}.`;
    tells(isTold ? { entity: { state: "before" }, failure: reason } : { entity: undefined, reason }, "why");
  }
});
