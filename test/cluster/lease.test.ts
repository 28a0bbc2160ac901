import t, { type Test } from "tap";
import { StoreAway } from "../../src/actors/ports.ts";
import { Lease, SUSPEND_MS } from "../../src/cluster/lease.ts";
import { type ClusterState, type ClusterStore, LEASE_MS } from "../../src/cluster/ports.ts";
import { FakeClock } from "../support/fake-clock.ts";

const STATE: ClusterState = { members: [], shards: [] };

/** A lease over an authority that answers when, and as, the test wants. */
async function leased(t: Test) {
  const clock = new FakeClock();
  const asked: PromiseWithResolvers<ClusterState | undefined>[] = [];
  const told: string[] = [];
  const authority = { answers: true };
  const store: ClusterStore = {
    incarnation: "me",
    renew: () => {
      const answer = Promise.withResolvers<ClusterState | undefined>();
      asked.push(answer);
      if (authority.answers) answer.resolve(STATE);
      return answer.promise;
    },
    claimFree: async () => new Map(),
    release: async () => {},
    drain: async () => {},
    setUrl: () => {},
  };
  const lease = new Lease(store, clock, {
    renewed: (_, askedAt) => told.push(`renewed ${askedAt}`),
    suspended: (suspended) => told.push(suspended ? "suspended" : "goes on"),
    down: () => told.push("down"),
    failed: () => told.push("failed"),
    fatal: (error) => t.fail(String(error)),
  });
  t.teardown(() => lease.stop());
  await lease.start();
  return { clock, lease, asked, told, authority };
}

t.test("[O3] the gate closes by itself, counted from before the renewal was sent", async (t) => {
  const { clock, lease, asked, told, authority } = await leased(t);
  authority.answers = false;
  await clock.advance(1_250);
  t.equal(asked.length, 2);
  await clock.advance(2_000);
  asked[1].resolve(STATE);
  await clock.advance(0);
  t.ok(lease.open);
  await clock.advance(SUSPEND_MS - 2_000 - 1);
  t.ok(lease.open, "1.25 s + 3.75 s since the start");
  let passed = false;
  clock.pass(1);
  t.notOk(lease.open, "without any timer having fired");
  void lease.passed().then(() => {
    passed = true;
  });
  await clock.advance(100);
  t.equal(told.at(-1), "suspended");
  t.notOk(passed);
  // It was asked for at 3.25 s.
  await clock.advance(2_000);
  asked[2].resolve(STATE);
  await clock.advance(0);
  t.notOk(passed, "an answer to what was asked so long ago opens nothing");
  authority.answers = true;
  for (const answer of asked) answer.resolve(STATE);
  await clock.advance(2_000);
  t.ok(passed);
  t.equal(told.filter((text) => text === "goes on").length, 1);
});

t.test("[O7] one renewal is under way at a time, so the newest answer is the newest state", async (t) => {
  const { clock, lease, asked, told, authority } = await leased(t);
  authority.answers = false;
  const looks = [lease.look(), lease.look()];
  await clock.advance(0);
  t.equal(asked.length, 2, "the second look waits for the first");
  asked[1].reject(new StoreAway("away"));
  await clock.advance(0);
  t.equal(asked.length, 3);
  t.equal(told.at(-1), "failed");
  asked[2].resolve(STATE);
  await Promise.all(looks);
  t.match(told.at(-1), /^renewed/);
});

t.test("[O8] only who renewed without a gap for a whole lease may evict", async (t) => {
  const { clock, lease, asked, authority } = await leased(t);
  t.notOk(lease.isSteady);
  await clock.advance(LEASE_MS - 1);
  t.notOk(lease.isSteady);
  await clock.advance(1);
  t.ok(lease.isSteady);
  authority.answers = false;
  await clock.advance(SUSPEND_MS + 1_250);
  t.notOk(lease.isSteady);
  authority.answers = true;
  for (const answer of asked) answer.resolve(STATE);
  await clock.advance(1_250);
  t.ok(lease.open);
  t.notOk(lease.isSteady, "after an outage everybody's lease has run out, and that means nothing");
  await clock.advance(LEASE_MS + 1_250);
  t.ok(lease.isSteady);
});

t.test("[O6] down is for ever", async (t) => {
  const { clock, lease, asked, told, authority } = await leased(t);
  authority.answers = false;
  await clock.advance(1_250);
  asked[1].resolve(undefined);
  authority.answers = true;
  await clock.advance(10_000);
  t.notOk(lease.open);
  t.equal(told.at(-1), "down");
  t.equal(asked.length, 2);
});
