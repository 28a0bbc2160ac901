import assert from "node:assert/strict";
import t from "tap";
import { HandOvers } from "../../src/cluster/hand-overs.ts";
import { Ledger } from "../../src/cluster/ledger.ts";
import type { MemberOptions } from "../../src/cluster/member.ts";
import { Routing } from "../../src/cluster/routing.ts";
import { FakeClock } from "../support/fake-clock.ts";

const SHARDS = Array.from({ length: 26 }, (_, shard) => shard);
const PORTION = 8;

/** A node that has shards open, and a host that hands over as `answer` says. */
function start(answer: () => boolean) {
  const clock = new FakeClock();
  const epochs = new Map(SHARDS.map((shard) => [shard, 1]));
  const ledger = new Ledger("self");
  ledger.claimed(epochs, 0);
  ledger.move(SHARDS, "open");
  const routing = new Routing();
  routing.opened(epochs);
  const asked: number[][] = [];
  const options: MemberOptions = {
    store: {
      ...{ incarnation: "self", setUrl: () => {}, drain: async () => {}, release: async () => {} },
      ...{ renew: async () => undefined, claimFree: async () => undefined },
    },
    host: {
      load: () => assert.fail(),
      forget: () => assert.fail(),
      bytes: () => 0,
      handOver: async (shards, release) => {
        asked.push([...shards]);
        const isHanded = answer();
        if (isHanded) await release(shards);
        return isHanded;
      },
    },
    ...{ routing, clock, log: { info: () => {}, warn: () => {} }, announce: () => {} },
    ...{ onSuspended: () => {}, onDown: () => {}, onFatal: (error) => assert.fail(String(error)) },
  };
  return { clock, ledger, routing, asked, handOvers: new HandOvers(options, ledger) };
}

t.test("[O50] after a hand-over that was given up the rest of the round waits too", async (t) => {
  const answers = [true, false];
  const { clock, ledger, routing, asked, handOvers } = start(() => answers.shift() ?? true);
  const all = handOvers.all(SHARDS, () => true);
  await clock.advance(5_000);
  await all;
  t.same(asked, [SHARDS.slice(0, PORTION), SHARDS.slice(PORTION, 2 * PORTION)]);
  t.equal(ledger.mine("open").size, SHARDS.length - PORTION, "they did not pause");
  t.equal(routing.place(PORTION).is, "here");
  t.ok(handOvers.notBefore >= 10_000);
  await clock.advance(handOvers.notBefore - clock.monotonic());
  const later = handOvers.all(SHARDS, () => true);
  await clock.advance(2_000);
  await later;
  t.equal(ledger.mine("open").size, 0);
});
