import type { lookup } from "node:dns";
import t from "tap";
import { systemClock } from "../../src/clock.ts";
import { HttpSender } from "../../src/transport/webhooks/http-sender.ts";
import { Names } from "../../src/transport/webhooks/names.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { Receiver } from "./receiver.ts";

const TIMEOUT_MS = 10_000;
const HOUR_MS = 3_600_000;

type Done = (error: Error | null, addresses: { address: string; family: number }[]) => void;

/** A resolver whose look-ups end as the test says. */
class Resolver {
  /** In the order in which they began; the last is under way if it is not answered. */
  readonly names: string[] = [];
  #done: Done[] = [];

  readonly resolve = ((name: string, _options: object, done: Done) => {
    this.names.push(name);
    this.#done.push(done);
  }) as never as typeof lookup;

  get underWay(): number {
    return this.#done.length;
  }

  answer(address: string): void {
    this.#done.shift()!(null, [{ address, family: 4 }]);
  }

  fail(code: string): void {
    this.#done.shift()!(Object.assign(new Error(`getaddrinfo ${code}`), { code }), []);
  }
}

function rig() {
  const clock = new FakeClock();
  const resolver = new Resolver();
  const names = new Names({ clock, timeoutMs: TIMEOUT_MS, resolve: resolver.resolve });
  const told: string[] = [];
  const ask = (...asked: string[]) => {
    for (const name of asked)
      names.find(name, (error, [first]) => told.push(`${name} ${error?.message ?? first?.address}`));
  };
  const take = () => told.splice(0);
  return { clock, resolver, names, ask, take };
}

t.test("[EV67] one name is looked up at a time, once for all who ask", async (t) => {
  const { resolver, ask, take } = rig();
  ask("a", "a", "b", "a");
  t.same(resolver.names, ["a"]);
  resolver.answer("192.0.2.1");
  t.same(take(), ["a 192.0.2.1", "a 192.0.2.1", "a 192.0.2.1"]);
  t.same(resolver.names, ["a", "b"]);
  ask("a");
  t.equal(resolver.underWay, 1);
  resolver.fail("ENOTFOUND");
  t.same(take(), ["b getaddrinfo ENOTFOUND"]);
  resolver.answer("192.0.2.2");
  t.same(take(), ["a 192.0.2.2"], "each time anew");
});

t.test("[EV67] a name that was late waits until others are looked up", async (t) => {
  const { clock, resolver, ask } = rig();
  ask("silent");
  clock.pass(5_000);
  resolver.fail("EAI_AGAIN");
  ask("a", "silent", "b", "c");
  for (let i = 0; i < 4; i++) resolver.answer("192.0.2.1");
  t.same(resolver.names, ["silent", "a", "b", "c", "silent"]);
  ask("d", "silent", "e");
  for (let i = 0; i < 3; i++) resolver.answer("192.0.2.1");
  t.same(resolver.names.slice(5), ["d", "silent", "e"], "it was not late this time");
});

t.test("[EV67] who waits for a name that is known gets what it was within the hour", async (t) => {
  const { clock, resolver, ask, take } = rig();
  ask("known", "gone");
  resolver.answer("192.0.2.1");
  resolver.answer("192.0.2.2");
  take();
  ask("silent", "known", "gone");
  await clock.advance(999);
  t.same(take(), []);
  await clock.advance(1);
  t.same(take(), ["known 192.0.2.1", "gone 192.0.2.2"], "after a second");
  ask("known", "gone");
  resolver.fail("EAI_AGAIN");
  t.same(take(), ["silent getaddrinfo EAI_AGAIN"]);
  resolver.fail("EAI_AGAIN");
  resolver.fail("ENOTFOUND");
  take();
  ask("silent", "known", "gone");
  await clock.advance(1_000);
  t.same(take(), ["known 192.0.2.1"], "an answer that there is none counts, no answer does not");
  clock.pass(HOUR_MS);
  ask("known");
  await clock.advance(1_000);
  t.same(take(), []);
});

t.test("[EV67] what nobody waits for any more is not looked up", async (t) => {
  const { clock, resolver, names, ask, take } = rig();
  ask("silent", "a", "b");
  await clock.advance(5_000);
  ask("b");
  await clock.advance(5_000);
  resolver.answer("192.0.2.1");
  t.same(resolver.names, ["silent", "b"]);
  t.same(take(), []);
  resolver.answer("192.0.2.1");
  t.same(take(), ["b 192.0.2.1"]);
  ask("c", "d");
  names[Symbol.dispose]();
  resolver.answer("192.0.2.1");
  await clock.advance(TIMEOUT_MS);
  t.same(take(), []);
  t.equal(resolver.underWay, 0);
});

t.test("[EV67] of many names those that were looked up last are known", async (t) => {
  const { clock, resolver, ask, take } = rig();
  for (let i = 0; i <= 200; i++) {
    ask(`n${i}`);
    resolver.answer("192.0.2.1");
  }
  take();
  ask("silent", "n0", "n1");
  await clock.advance(1_000);
  t.same(take(), ["n1 192.0.2.1"]);
});

t.test("[EV39] a webhook whose name is known waits for no silent one", async (t) => {
  const receivers = [await Receiver.start(t), await Receiver.start(t)];
  const [first, second] = receivers.map(({ url }) => `http://known.example:${new URL(url).port}/`);
  const resolver = new Resolver();
  using sender = new HttpSender({ clock: systemClock, allowPrivate: true, resolve: resolver.resolve });
  const send = (url: string) => sender.send({ url, headers: {}, body: '{"subject":"a","data":{}}' });
  const sent = send(first!);
  await waitFor(resolver);
  resolver.answer("127.0.0.1");
  t.match(await sent, { status: 204 });
  const silent = send("http://silent.example/");
  await waitFor(resolver);
  t.match(await send(second!), { status: 204 }, "another connection");
  resolver.fail("EAI_AGAIN");
  t.match(await silent, { error: /EAI_AGAIN/ });
});

async function waitFor(resolver: Resolver): Promise<void> {
  while (resolver.underWay === 0) await new Promise(setImmediate);
}
