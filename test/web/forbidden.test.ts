// The page of a key that may not do everything.
import { setImmediate as turn } from "node:timers/promises";
import t from "tap";
import { connect } from "../../client/connection.ts";
import { watchFences } from "../../web/fence-watch.ts";
import { countInView } from "../../web/legend.ts";
import { Forbidden, Rest, Unauthorized } from "../../web/rest.ts";
import { Shown } from "../../web/shown.ts";
import { statusOf } from "../../web/status.ts";
import { full, script } from "../client/scripted.ts";

t.test("[AC57] what may not be asked is asked once", async (t) => {
  const asked: string[] = [];
  const page = globalThis as { fetch: unknown };
  const { fetch } = page;
  t.teardown(() => {
    page.fetch = fetch;
  });
  page.fetch = async (path: string) => {
    asked.push(path);
    if (path.startsWith("/v1/entities")) return Response.json({ features: [] });
    return new Response("{}", { status: 403 });
  };
  const rest = new Rest("a key");
  const { signal } = new AbortController();
  for (let i = 0; i < 3; i++) {
    await t.rejects(rest.cluster(), Forbidden);
    await t.rejects(rest.fences([0, 0, i, 1], null, signal), Forbidden);
    t.same(await rest.places(signal), [], "what may be asked is");
  }
  t.same(
    asked.filter((path) => !path.startsWith("/v1/entities")),
    ["/v1/cluster", "/v1/fences?limit=1000&bbox=0,0,0,1"],
  );
});

t.test("[AC110] about entities is asked again: a role may allow it by now", async (t) => {
  const page = globalThis as { fetch: unknown };
  const { fetch } = page;
  t.teardown(() => {
    page.fetch = fetch;
  });
  let isAllowed = false;
  page.fetch = async () =>
    isAllowed ? Response.json({ features: [] }) : new Response("{}", { status: 403 });
  const rest = new Rest("a key");
  const { signal } = new AbortController();
  await t.rejects(rest.entity("a"), Forbidden);
  await t.rejects(rest.places(signal), Forbidden);
  isAllowed = true;
  t.same(await rest.places(signal), []);
  t.match(await rest.entity("a"), { lon: NaN });
});

for (const [rule, error] of [
  ["AC57", new Forbidden("no role allows it")],
  ["AC112", new Unauthorized("a token is needed")],
] as const)
  t.test(
    `[${rule}] fences that may not be read (any more) are not shown, and nothing is said of it`,
    async (t) => {
      const { debug } = console;
      t.teardown(() => {
        console.debug = debug;
      });
      console.debug = () => t.fail("it is no fault");
      let asked = 0;
      let timer = () => {};
      const shown: number[] = [];
      const fence = {} as never;
      const look = watchFences({
        async ask() {
          if (++asked > 1) throw error;
          return { tag: "one", fences: [fence] };
        },
        show: (fences) => shown.push(fences.length),
        isSeen: () => true,
        every: (_, run) => {
          timer = run;
        },
      });
      for (let i = 0; i < 3; i++) {
        await turn();
        timer();
        look();
      }
      await turn();
      t.same(shown, [1, 0]);
      t.equal(asked, 3, "the one that came before its answer, and none after it");
    },
  );

const forbidden = (view: string, ended?: true) => ({
  ...{ op: "error", type: "urn:muster:problem:forbidden", title: "", status: 403, detail: "no role" },
  ...{ view, ended },
});
const snapshot = (view: string) => ({
  ...{ op: "snapshot", view, n: 1, first: true, last: true, tick: 1, t: "2024-06-06T08:00:00.000Z", lag: 0 },
  entities: [full("a", 0.5, 0.5)],
});

for (const wasShown of [false, true])
  t.test(
    `[AC57] a map that is forbidden says so, and is there once it is allowed (${wasShown ? "later" : "at once"})`,
    async (t) => {
      const { last, clock, options } = script();
      const connection = connect("ws://node", options);
      last().open();
      const shown = new Shown(connection, [0, 0, 1, 1], clock);
      let states = 0;
      shown.on("state", () => states++);
      if (wasShown) last().receive(snapshot("v1"));
      await turn();
      last().take();
      const before = states;
      last().receive(forbidden("v1", wasShown || undefined));
      await turn();
      t.equal(shown.isForbidden, true);
      t.ok(states > before, "the page is told");
      t.same(
        statusOf(connection.state, shown.view.state, false, false, undefined, false, shown.isForbidden),
        {
          name: "closed",
          text: "No role allows you to see entities",
        },
      );
      for (const view of ["v2", "v3"]) {
        t.same(last().take(), []);
        clock.advance(5_000);
        t.match(last().take(), [{ op: "subscribe", view }], "once in 5 s");
        if (view === "v2") last().receive(forbidden(view));
        else last().receive(snapshot(view));
        await turn();
        t.equal(shown.isForbidden, view === "v2");
      }
      t.equal(shown.view.state, "live");
      connection.close();
    },
  );

for (const code of [4401, 4400])
  t.test(`[AC112] a map whose key is none any more shows nothing (${code})`, async (t) => {
    const { last, clock, options } = script();
    const connection = connect("ws://node", options);
    last().open();
    const shown = new Shown(connection, [0, 0, 1, 1], clock);
    last().receive(snapshot("v1"));
    await turn();
    shown.showPast(0);
    let views = 0;
    shown.on("view", () => views++);
    last().break(code, "closed");
    await turn();
    t.equal(connection.state.name, "closed");
    const isNobodys = code === 4401;
    t.equal(shown.view.entities.size, isNobodys ? 0 : 1);
    t.equal(countInView(shown.view.inBox(), shown.view), isNobodys ? undefined : 1);
    t.equal(views, isNobodys ? 1 : 0, "the map is told");
    t.equal(shown.past, undefined);
    shown.showPast(0);
    await turn();
    t.equal(views, isNobodys ? 1 : 0);
  });
