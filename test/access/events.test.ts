import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { connect } from "../../client/connection.ts";
import { ProblemError } from "../../client/errors.ts";
import { Policy } from "../../src/access/policy.ts";
import type { Principal } from "../../src/access/ports.ts";
import { type Rig, rig, sse } from "../events/rig.ts";
import { TOKEN } from "../support/serve.ts";

const READER: Principal = { id: "r", name: "r", roles: ["reader"], attributes: { fleet: "north/" } };
const OWN = "event.subject.startsWith(principal.attributes.fleet)";

function grant(policy: Policy, ...wheres: (string | undefined)[]): void {
  const grants = wheres.map((where) => ({ resource: "event", actions: ["read"], where }) as const);
  policy.take([{ name: "reader", grants }]);
}

/** A server whose one token is a key that can be revoked. */
async function served(t: Test) {
  const policy = new Policy();
  grant(policy, OWN);
  const key = { isRevoked: false };
  const made = await rig(t, "ws", undefined, undefined, {
    policy,
    identify: (token) => (token === TOKEN && !key.isRevoked ? READER : undefined),
    current: (principal) => (key.isRevoked ? undefined : principal),
  });
  return { ...made, policy, key };
}

interface Page {
  events: { subject: string; data: { n: number } }[];
  cursor: string;
  links: { rel: string; href: string }[];
}
const pageOf = async (made: Rig, path: string) => (await (await made.get(path)).json()) as Page;
const numbers = ({ events }: Page) => events.map(({ data }) => data.n);

t.test(
  "[AC55] pages tell what a grant allows and the filter lets pass, and go on over the rest",
  async (t) => {
    const made = await served(t);
    await made.writer.write(["north/1", "south/1", "north/2", "south/2"]);
    await made.writer.write(["south/1", "north/1"], "other");
    const all = await pageOf(made, "/v1/events");
    t.same(numbers(all), [1, 3, 6]);
    t.same(numbers(await pageOf(made, "/v1/events?type=other")), [6]);
    t.same(numbers(await pageOf(made, "/v1/events?where=event.subject%20!%3D%20'north%2F2'")), [1, 6]);
    t.same(numbers(await pageOf(made, "/v1/entities/north%2F1/events")), [1, 6]);
    const [unseen, unknown] = [
      await pageOf(made, "/v1/entities/south%2F1/events"),
      await pageOf(made, "/v1/entities/none%2F1/events"),
    ];
    t.same([unseen.events, unseen.links.length], [unknown.events, unknown.links.length]);
    t.same(unseen.events, []);
    const first = await pageOf(made, "/v1/events?limit=1");
    t.same(numbers(first), [1]);
    const next = first.links.find(({ rel }) => rel === "next")!;
    t.same(numbers(await pageOf(made, next.href)), [3]);
    grant(made.policy, OWN, "event.type == 'other'");
    t.same(numbers(await pageOf(made, "/v1/events")), [1, 3, 5, 6], "changed roles count at once");
    made.policy.take([]);
    t.equal((await made.get("/v1/events")).status, 403);
    t.equal((await made.get("/v1/entities/north%2F1/events")).status, 403);
  },
);

t.test("[AC55] streams and subscriptions tell what a grant allows", async (t) => {
  const made = await served(t);
  const messages = sse(await made.get("/v1/events?after=start", { accept: "text/event-stream" }));
  const connection = connected(t, made);
  const stream = connection.events({ after: "start", where: "event.data.n != 3" });
  await made.writer.write(["south/1", "north/1", "north/2", "south/2", "north/3"]);
  const streamed: number[] = [];
  for await (const { data } of messages) {
    if (data !== undefined) streamed.push((JSON.parse(data) as Page["events"][number]).data.n);
    if (streamed.length === 3) break;
  }
  t.same(streamed, [2, 3, 5]);
  const told = [await stream.next(), await stream.next()].map(({ value }) => value.data.n);
  t.same(told, [2, 5]);
});

t.test("[AC56] what is open tells nothing more of what is not permitted any more, and ends", async (t) => {
  const made = await served(t);
  const { policy, writer } = made;
  const messages = sse(await made.get("/v1/events?after=start", { accept: "text/event-stream" }));
  const stream = connected(t, made).events({ after: "start" });
  await writer.write(["north/1"]);
  t.equal((await stream.next()).value.data.n, 1);
  const streamed: number[] = [];
  const reading = (async () => {
    for await (const { data } of messages)
      if (data !== undefined) streamed.push((JSON.parse(data) as Page["events"][number]).data.n);
  })();
  while (streamed.length < 1) await sleep(10);
  grant(policy, "event.subject.startsWith('south/')");
  await writer.write(["north/1", "south/1"]);
  t.equal((await stream.next()).value.data.n, 3, "the new grant, not the old one");
  while (streamed.length < 2) await sleep(10);
  policy.take([]);
  const began = performance.now();
  const refused = await stream.next().catch((error: unknown) => error);
  t.ok(refused instanceof ProblemError && refused.type === "urn:muster:problem:forbidden");
  t.ok(performance.now() - began < 2_000, "within 2 s");
  t.equal(stream.state, "failed", "it is not asked for again");
  await writer.write(["south/1", "north/1"]);
  await reading;
  t.same(streamed, [1, 3]);
  t.equal(made.feed.stats.events, 0);
});

t.test("[AC56] a key that is none any more ends what it reads", async (t) => {
  const made = await served(t);
  const { key, writer } = made;
  grant(made.policy, undefined);
  const messages = sse(await made.get("/v1/events?after=start", { accept: "text/event-stream" }));
  const stream = connected(t, made).events({ after: "start" });
  await writer.write(["north/1"]);
  t.equal((await stream.next()).value.data.n, 1);
  key.isRevoked = true;
  await writer.write(["north/1"]);
  t.ok((await stream.next().catch((error: unknown) => error)) instanceof Error);
  let told = 0;
  for await (const { data } of messages) if (data !== undefined) told++;
  t.ok(told <= 1, "nothing that came later");
});

t.test("[AC55] who may read no events is refused the subscription", async (t) => {
  const made = await served(t);
  made.policy.take([]);
  const stream = connected(t, made).events({ after: "start" });
  const refused = await stream.next().catch((error: unknown) => error);
  t.match(refused, { type: "urn:muster:problem:forbidden" });
  t.equal(stream.state, "failed");
});

function connected(t: Test, { url }: Rig) {
  const connection = connect(url, { token: TOKEN });
  t.teardown(() => connection.close());
  return connection;
}
