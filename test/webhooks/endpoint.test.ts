import t from "tap";
import { EventEncoder } from "../../src/events/cloud-event.ts";
import { Endpoint } from "../../src/webhooks/endpoint.ts";
import type { Outcome } from "../../src/webhooks/ports.ts";

const WEBHOOK = { id: "w", url: "http://h/", enabled: true, secrets: ["AAAA"], createdAt: 0 };

t.test("[EV38] failures of requests that were under way together are one reason to pause", async (t) => {
  const { post, pause, answer } = endpoint(0.5);
  for (const subject of "abcdefgh") post(subject);
  await answer({ error: "refused" });
  t.equal(pause(), 5_000, "8 failures at once");
  post("a");
  await answer({ status: 503 });
  t.equal(pause(), 20_000, "each try after it makes the next pause longer");
  post("a");
  post("b");
  await answer({ status: 503 });
  t.equal(pause(), 80_000);
  post("a");
  await answer({ status: 204 });
  for (const subject of "abcdefgh") post(subject);
  await answer({ error: "refused" });
  t.equal(pause(), 5_000, "after a success they begin anew");
});

t.test("[EV23] [EV38] no pause is longer than 15 min, however it is scattered", async (t) => {
  const { post, pause, answer } = endpoint(0.999);
  const pauses: number[] = [];
  for (let i = 0; i < 12; i++) {
    post(`s${i}`);
    await answer({ status: 503 });
    pauses.push(pause());
  }
  t.same(pauses.slice(0, 4), [0, 0, 0, 0]);
  t.ok(pauses[4]! > 5_900 && pauses[4]! < 6_000);
  t.same(pauses.slice(-3), [900_000, 900_000, 900_000]);
});

t.test("[EV23] one entity that is refused again and again pauses nothing", async (t) => {
  const { post, pause, answer } = endpoint(0.5);
  for (let i = 0; i < 10; i++) {
    for (const subject of "abcd") post(subject);
    await answer({ status: 400 });
    t.equal(pause(), 0);
  }
  post("e");
  await answer({ status: 400 });
  t.equal(pause(), 5_000);
});

t.test(
  "[EV23] an endpoint that does not answer is in doubt, however few entities it is told of",
  async (t) => {
    const { post, pause, answer } = endpoint(0.5);
    const unanswered = async (times: number) => {
      for (let i = 0; i < times; i++) {
        post("a");
        await answer({ error: "refused" });
      }
      return pause();
    };
    t.equal(await unanswered(4), 0);
    post("a");
    await answer({ status: 500 });
    t.equal(await unanswered(4), 0, "there was an answer between");
    t.equal(await unanswered(1), 5_000);
    t.equal(await unanswered(1), 20_000);
  },
);

/** One at a clock that stands still but for pauses; what is asked of it waits for `answer`. */
function endpoint(random: number) {
  let now = 1_000;
  const waiting: ((outcome: Outcome) => void)[] = [];
  const posts: Promise<unknown>[] = [];
  const one = new Endpoint({
    sender: { send: () => new Promise((resolve) => waiting.push(resolve)) },
    encoder: new EventEncoder("test"),
    clock: { now: () => now, monotonic: () => now, schedule: () => () => {}, yield: () => {} },
    random: () => random,
  });
  return {
    post(subject: string) {
      const cursor = { era: 1, xid: 1, id: 1 };
      posts.push(one.post(WEBHOOK, { cursor, type: "t", subject, time: 1, data: {} }));
    },
    async answer(outcome: Outcome) {
      for (const resolve of waiting.splice(0)) resolve(outcome);
      await Promise.all(posts);
    },
    /** How long the pause is that there is now, ms; it is over then. */
    pause() {
      const ms = Math.max(0, one.pausedUntil - now);
      now += ms;
      return ms;
    },
  };
}
