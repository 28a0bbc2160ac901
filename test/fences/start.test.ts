// What a node reads of fences when it starts, from a store that the test has in its hands.
import t from "tap";
import { FenceCatalogue } from "../../src/actors/fences/catalogue.ts";
import type { FenceStore, FenceVersion } from "../../src/actors/fences/ports.ts";
import type { ActorSystem } from "../../src/actors/system.ts";
import { HeldConfiguration } from "../../src/held-configuration.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { Fences, square } from "./written.ts";

/** Small, so that a start takes several. */
const PAGE = 3;

/** @param between is called after each page. */
function node(store: Fences, between: (page: number) => void = () => {}) {
  const given: FenceVersion[] = [];
  const unused = () => Promise.reject(new Error("not asked here"));
  let pages = 0;
  const fences: FenceStore = {
    revision: async () => store.newest.at(-1)?.revision ?? 0,
    async since(after, _limit, removedAfter) {
      const page = store.newest
        .filter(
          ({ revision, definition }) =>
            revision > (definition === undefined ? Math.max(after, removedAfter) : after),
        )
        .slice(0, PAGE);
      given.push(...page);
      between(++pages);
      return page;
    },
    save: unused,
    remove: unused,
  };
  const catalogue = new FenceCatalogue(() => {});
  const held = new HeldConfiguration({
    machines: undefined,
    access: undefined,
    fences,
    system: () => ({ fences: catalogue }) as ActorSystem,
    announce() {},
    clock: new FakeClock(),
    onFatal: (error) => t.fail(String(error)),
  });
  return { held, given, names: () => catalogue.versions.map(({ name }) => name) };
}

t.test("[FE18] a start reads nothing of fences that were removed before", async (t) => {
  const store = new Fences();
  store.next("first", square());
  for (let trip = 0; trip < 100; trip++) {
    store.next(`trip-${trip}`, square());
    store.next(`trip-${trip}`);
  }
  store.next("last", square());
  for (let trip = 0; trip < 100; trip++) store.next(`trip-${trip}`);
  const { held, given, names } = node(store);
  await held.readFences();
  t.same(names(), ["first", "last"]);
  t.equal(given.length, 2);
  await held.readFences();
  t.equal(given.length, 2, "nor does a later look");
  store.next("last");
  store.next("trip-7");
  await held.readFences();
  t.same(names(), ["first"]);
  t.equal(given.length, 4, "what is removed from then on is told");
});

t.test("[FE18] what is removed while a start reads is missing after it", async (t) => {
  const store = new Fences();
  for (let i = 0; i < 3 * PAGE; i++) store.next(`fence-${i}`, square());
  const { held, names } = node(store, (page) => {
    if (page === 1) {
      store.next("fence-0");
      store.next("fence-8");
      store.next("new", square());
    }
    if (page === 2) {
      store.next("fence-1");
      store.next("fence-2");
      store.next("fence-2", square());
    }
  });
  await held.readFences();
  t.same(names(), ["fence-2", "fence-3", "fence-4", "fence-5", "fence-6", "fence-7", "new"]);
});
