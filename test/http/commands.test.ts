import t from "tap";
import type { Request as CommandRequest, CommandResult } from "../../src/actors/messages.ts";
import { MAX_COMMAND_BODY_BYTES } from "../../src/limits.ts";
import { report, seen, startSystem } from "../support/actor-system.ts";
import { problemOf, TOKEN, testApp } from "./fixture.ts";

/** An app over real actors, on a clock moved by hand. */
async function fleet() {
  const h = await startSystem();
  const app = testApp({ commands: h.system.router, picture: h.system.picture });
  for (const id of ["a", "a/b ä"]) void h.system.router.submit([report(id, 0, { speed: 5 })]);
  await h.clock.advance(10);
  const post = async (id: string, body: unknown, type = "application/json") => {
    const answer = app.fetch(request(id, typeof body === "string" ? body : JSON.stringify(body), type));
    for (let turn = 0; turn < 5; turn++) await h.clock.advance(10);
    return answer;
  };
  return { h, app, post };
}

function request(id: string, body: string, type = "application/json"): Request {
  const url = `http://muster.test/v1/entities/${encodeURIComponent(id)}/commands`;
  return new Request(url, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, "content-type": type },
    body,
  });
}

t.test("[H30] a command is answered when it is committed", async (t) => {
  const { h, app, post } = await fleet();
  let open = () => {};
  h.store.gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  let isAnswered = false;
  const waiting = app.fetch(request("a", '{"id":"shift-1","name":"sign-off"}'));
  void waiting.then(() => {
    isAnswered = true;
  });
  for (let turn = 0; turn < 5; turn++) await h.clock.advance(10);
  t.equal(seen(h.system, "a")!.state, "offline");
  t.equal(isAnswered, false);
  h.store.gate = undefined;
  open();
  await h.clock.advance(10);
  const response = await waiting;
  t.equal(response.status, 200);
  t.strictSame(await response.json(), { id: "shift-1", accepted: true, state: "offline" });
  const again = await post("a", { id: "shift-1", name: "sign-off" });
  t.strictSame(await again.json(), { id: "shift-1", accepted: true, state: "offline" });
  const other = await post("a/b ä", { name: "sign-off", data: { by: "Aino" } });
  t.strictSame(await other.json(), { id: "made-here", accepted: true, state: "offline" });
});

t.test("[H31] a refusal is a problem that names the command", async (t) => {
  const { h, post } = await fleet();
  await post("a", { name: "sign-off" });
  const refused = await post("a", { id: "2", name: "sign-off" });
  t.match(await refused.clone().json(), {
    id: "2",
    detail: "a is offline, and does not take sign-off there",
  });
  t.strictSame(await problemOf(refused), ["command-refused", 409]);
  t.strictSame(await problemOf(await post("nobody", { name: "sign-off" })), ["entity-not-found", 404]);
  t.strictSame(await problemOf(await post("a", { name: "stale" })), ["invalid-command", 400]);
  h.system.router.close();
  const overloaded = await post("a", { id: "3", name: "sign-off" });
  t.equal(overloaded.headers.get("retry-after"), "1");
  t.match(await overloaded.clone().json(), { id: "3" });
  t.strictSame(await problemOf(overloaded), ["overloaded", 503]);
});

t.test("[H31] what may have been applied is a 503", async (t) => {
  const result: CommandResult = { accepted: false, type: "retry", detail: "ask again" };
  const app = testApp({ commands: { command: async () => result } });
  const response = await app.fetch(request("a", '{"name":"x"}'));
  t.equal(response.headers.get("retry-after"), "1");
  t.match(await response.clone().json(), { id: "made-here", detail: "ask again" });
  t.strictSame(await problemOf(response), ["retry", 503]);
});

t.test("[H32] what is no command goes no further", async (t) => {
  const taken: CommandRequest[] = [];
  const app = testApp({
    commands: {
      async command(command) {
        taken.push(command);
        return { accepted: true, state: "x" };
      },
    },
  });
  const post = (body: unknown, id = "a", type = "application/json") =>
    app.fetch(request(id, typeof body === "string" ? body : JSON.stringify(body), type));
  const bad: [what: unknown, detail: RegExp][] = [
    [[], /must be a JSON object/],
    [{}, /name must be a string/],
    [{ name: "" }, /name is empty/],
    [{ name: "x".repeat(65) }, /name has 65 characters/],
    [{ name: "a\u0007" }, /control character/],
    [{ name: "x", id: 7 }, /id must be a string/],
    [{ name: "x", id: "i".repeat(65) }, /id has 65 characters/],
    [{ name: "x", id: "" }, /id is empty/],
    [{ name: "x", data: null }, /data must be a JSON object/],
    [{ name: "x", data: { text: "x".repeat(9_000) } }, /data are 9011 bytes/],
    ['{"name":"x","data":{"__proto__":1}}', /data may not have a member "__proto__"/],
    [{ name: "x", date: {} }, /"date" is not a member/],
  ];
  for (const [body, detail] of bad) {
    const response = await post(body);
    t.match(((await response.clone().json()) as { detail: string }).detail, detail);
    t.strictSame(await problemOf(response), ["invalid-command", 400]);
  }
  t.strictSame(await problemOf(await post({ name: "x" }, "i".repeat(257))), ["invalid-command", 400]);
  t.strictSame(await problemOf(await post("{")), ["malformed-json", 400]);
  t.strictSame(await problemOf(await post("{}", "a", "application/xml")), ["unsupported-media-type", 415]);
  const long = JSON.stringify({ name: "x".repeat(MAX_COMMAND_BODY_BYTES) });
  t.strictSame(await problemOf(await post(long)), ["body-too-large", 413]);
  const unsigned = request("a", '{"name":"x"}');
  unsigned.headers.delete("authorization");
  t.equal((await app.fetch(unsigned)).status, 401);
  t.strictSame(taken, []);
});

t.test(
  "[H33] a deletion that is sent again under its key is answered as before, and deletes nothing since",
  async (t) => {
    const { h, app } = await fleet();
    const remove = async (query: string, key?: string) => {
      const url = `http://muster.test/v1/entities/a${query}`;
      const headers = new Headers({ authorization: `Bearer ${TOKEN}` });
      if (key !== undefined) headers.set("idempotency-key", key);
      const answer = app.fetch(new Request(url, { method: "DELETE", headers }));
      for (let turn = 0; turn < 20; turn++) await h.clock.advance(10);
      return answer;
    };
    t.equal((await remove("", "k-1")).status, 204);
    t.equal((await remove("", "k-1")).status, 204);
    t.equal((await remove("", "k-2")).status, 404);
    t.equal((await remove("?erase=true", "k-1")).status, 204, "an erasure is another");
    void h.system.router.submit([report("a", 1)]);
    await h.clock.advance(10);
    for (const query of ["", "?erase=true"]) t.equal((await remove(query, "k-1")).status, 204);
    t.ok(seen(h.system, "a"));
    t.equal((await remove("", "x".repeat(65))).status, 400);
    t.equal((await remove("")).status, 204);
    t.equal(seen(h.system, "a"), undefined);
  },
);
