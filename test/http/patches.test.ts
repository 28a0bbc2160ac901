import t from "tap";
import { Policy } from "../../src/access/policy.ts";
import { ADMIN, type Principal } from "../../src/access/ports.ts";
import type { Request as Asked, CommandResult } from "../../src/actors/messages.ts";
import { report, startSystem, submit } from "../support/actor-system.ts";
import { problemOf, TOKEN, testApp } from "./fixture.ts";

const KEY: Principal = { id: "k", name: "k", roles: ["all"], attributes: {} };

/** Roles that may everything a grant can name. */
function allGranted(): Policy {
  const policy = new Policy();
  const entity = { resource: "entity", actions: ["read", "command"] } as const;
  policy.take([{ name: "all", grants: [entity, { resource: "report", actions: ["create"] }] }]);
  return policy;
}

/** An app over real actors, on a clock moved by hand. */
async function fleet() {
  const h = await startSystem();
  const identify = (token: string) => ({ [TOKEN]: ADMIN, key: KEY })[token];
  let made = 0;
  const app = testApp({
    newId: () => `made-${made++}`,
    ...{ commands: h.system.router, picture: h.system.picture, policy: allGranted(), identify },
  });
  await submit(h, report("a", 0), report("a/b ä", 0));
  const patch = async (id: string, body: unknown, headers: Record<string, string> = {}) => {
    const answer = app.fetch(request(id, body, headers));
    for (let turn = 0; turn < 5; turn++) await h.clock.advance(10);
    return answer;
  };
  const labels = async (id: string) => {
    const answer = await app.get(`/v1/entities/${encodeURIComponent(id)}`);
    return ((await answer.json()) as { properties: { labels: string[] } }).properties.labels;
  };
  const attributes = async (id: string) =>
    ((await (await app.get(`/v1/entities/${id}`)).json()) as { properties: { attributes: object } })
      .properties.attributes;
  return { h, app, patch, labels, attributes };
}

function request(id: string, body: unknown, headers: Record<string, string> = {}): Request {
  return new Request(`http://muster.test/v1/entities/${encodeURIComponent(id)}`, {
    method: "PATCH",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

t.test("[AC40] the list of labels replaces the one before, sorted and each once", async (t) => {
  const { patch, labels } = await fleet();
  const given = await patch("a", { labels: ["south", "north", "south", "Öst", "2"] });
  t.equal(given.status, 204);
  t.equal(await given.text(), "");
  t.strictSame(await labels("a"), ["2", "north", "south", "Öst"]);
  const merge = { "content-type": "application/merge-patch+json" };
  t.equal((await patch("a/b ä", { labels: ["north"] }, merge)).status, 204);
  t.strictSame(await labels("a/b ä"), ["north"]);
  for (const none of [null, []]) {
    t.equal((await patch("a", { labels: ["x"] })).status, 204);
    t.strictSame(await labels("a"), ["x"]);
    t.equal((await patch("a", { labels: none })).status, 204);
    t.strictSame(await labels("a"), []);
  }
  t.strictSame(await problemOf(await patch("nobody", { labels: [] })), ["entity-not-found", 404]);
});

t.test("[AC40] a change is answered when it is committed", async (t) => {
  const { h, app } = await fleet();
  const open = Promise.withResolvers<void>();
  h.store.gate = open.promise;
  let isAnswered = false;
  const waiting = app.fetch(request("a", { labels: ["north"] })).then((answer) => {
    isAnswered = true;
    return answer;
  });
  await h.clock.advance(100);
  t.equal(isAnswered, false);
  h.store.gate = undefined;
  open.resolve();
  await h.clock.advance(10);
  t.equal((await waiting).status, 204);
});

t.test("[AC40] only an administrator gives labels, whatever is granted to others", async (t) => {
  const { patch, labels } = await fleet();
  const key = { authorization: "Bearer key" };
  for (const id of ["a", "nobody"])
    t.strictSame(await problemOf(await patch(id, { labels: ["mine"] }, key)), ["forbidden", 403]);
  const nobody = { authorization: "Bearer nobody" };
  t.strictSame(await problemOf(await patch("a", { labels: ["mine"] }, nobody)), ["unauthorized", 401]);
  t.strictSame(await labels("a"), []);
});

t.test("[AC41] what is more than may be, or no label, is refused as a whole", async (t) => {
  const { patch, labels } = await fleet();
  const most = Array.from({ length: 32 }, (_, i) => `${i}`.padStart(64, "€"));
  t.equal((await patch("a", { labels: most })).status, 204);
  t.strictSame(await labels("a"), [...most].sort());
  const bad: [body: unknown, detail: RegExp][] = [
    [{}, /^the body: has neither labels nor attributes/],
    ["", /^the body: has neither labels nor attributes/],
    [[], /must be a JSON object/],
    [{ labels: "north" }, /^labels: must be a list/],
    [{ labels: [7] }, /^labels.0: must be a string, not 7/],
    [{ labels: ["north", null] }, /^labels.1: must be a string/],
    [{ labels: [""] }, /^labels.0: is empty/],
    [{ labels: ["x".repeat(65)] }, /^labels.0: has more than 64 characters/],
    [{ labels: [...most, "x"] }, /^labels: has more than 32 items/],
    [{ labels: ["a\u0000"] }, /^labels.0: contains the control character/],
    ['{"labels":["\\ud800"]}', /^labels.0: contains half of a surrogate pair/],
    [{ labels: [], label: [] }, /^label: is not known here/],
  ];
  for (const [body, detail] of bad) {
    const answer = await patch("a", body);
    t.match(((await answer.clone().json()) as { detail: string }).detail, detail);
    t.strictSame(await problemOf(answer), ["bad-request", 400]);
  }
  t.strictSame(await problemOf(await patch("a", "{")), ["malformed-json", 400]);
  t.strictSame(await problemOf(await patch("x".repeat(257), { labels: [] })), ["bad-request", 400]);
  const xml = { "content-type": "application/xml" };
  t.strictSame(await problemOf(await patch("a", { labels: [] }, xml)), ["unsupported-media-type", 415]);
  t.strictSame(await labels("a"), [...most].sort(), "nothing of it is done");
});

t.test("[AC43] a change that is sent again under its key undoes nothing", async (t) => {
  const { patch, labels } = await fleet();
  const keyed = (name: string) => ({ "idempotency-key": name });
  t.equal((await patch("a", { labels: ["x", "y"] }, keyed("1"))).status, 204);
  t.equal((await patch("a", { labels: ["z"] }, keyed("2"))).status, 204);
  t.equal((await patch("a", { labels: ["y", "x"] }, keyed("1"))).status, 204);
  t.strictSame(await labels("a"), ["z"]);
  t.equal((await patch("a", { labels: ["w"] }, keyed("1"))).status, 204, "another one");
  t.strictSame(await labels("a"), ["w"]);
  t.strictSame(await problemOf(await patch("a", { labels: [] }, keyed("x".repeat(65)))), [
    "bad-request",
    400,
  ]);
});

t.test("[AC48] attributes are merged, as those of a report", async (t) => {
  const { h, patch, labels, attributes } = await fleet();
  const crew = { crew: { size: 5, captain: "Aino" }, cargo: "sand" };
  t.equal((await patch("a", { attributes: crew, labels: ["north"] })).status, 204);
  t.strictSame(await attributes("a"), crew);
  t.equal((await patch("a", { attributes: { crew: { size: null }, n: 1 } })).status, 204);
  const merged = { crew: { captain: "Aino" }, cargo: "sand", n: 1 };
  t.strictSame(await attributes("a"), merged);
  t.strictSame(await labels("a"), ["north"], "which it did not speak of");
  await submit(h, report("a", 1, { attributes: { n: 2 } }));
  t.strictSame(await attributes("a"), { ...merged, n: 2 }, "the newest says");
  t.equal((await patch("a", { labels: [] })).status, 204);
  t.strictSame(await attributes("a"), { ...merged, n: 2 });
  const bad: [attributes: unknown, detail: RegExp][] = [
    [null, /^attributes: attributes must be a JSON object/],
    [[], /^attributes: attributes must be a JSON object/],
    [{ text: "x".repeat(9_000) }, /^attributes: attributes are 9011 bytes/],
    [{ text: "x".repeat(8_170) }, /would take 8\d\d\d bytes, 8192 are allowed/],
    [{ text: "\u0000" }, /control character/],
  ];
  for (const [attributes, detail] of bad) {
    const answer = await patch("a", { attributes, labels: ["south"] });
    t.match(((await answer.clone().json()) as { detail: string }).detail, detail);
    t.strictSame(await problemOf(answer), ["bad-request", 400]);
  }
  t.strictSame(await attributes("a"), { ...merged, n: 2 });
  t.strictSame(await labels("a"), [], "nothing of it is done");
});

t.test("[AC47] what may succeed later is a 503, and says when", async (t) => {
  const taken: Asked[] = [];
  const result: CommandResult = { accepted: false, type: "overloaded", detail: "later" };
  const app = testApp({
    commands: {
      async command(asked) {
        taken.push(asked);
        return result;
      },
    },
  });
  const answer = await app.fetch(request("a", { labels: ["b", "a"] }));
  t.equal(answer.headers.get("retry-after"), "1");
  t.strictSame(await problemOf(answer), ["overloaded", 503]);
  t.strictSame(taken, [{ id: "made-here", entity: "a", labels: ["a", "b"] }]);
});

t.test("[AC40] the API's description has it", async (t) => {
  const description = (await (await testApp().get("/openapi.json")).json()) as {
    paths: Record<string, Record<string, { requestBody?: { content: object } }>>;
  };
  const { patch } = description.paths["/v1/entities/{id}"]!;
  t.strictSame(Object.keys(patch!.requestBody!.content).sort(), [
    "application/json",
    "application/merge-patch+json",
  ]);
});
