// The fences that a node holds.
import t from "tap";
import { FenceCatalogue } from "../../src/actors/fences/catalogue.ts";
import type { FenceVersion } from "../../src/actors/fences/ports.ts";
import { stillThere } from "../support/still-there.ts";
import { Fences, square } from "./written.ts";

t.test("[FE17] of fences that were removed nothing is kept", async (t) => {
  let changes = 0;
  const catalogue = new FenceCatalogue(() => changes++);
  const store = new Fences();
  catalogue.take([store.next("harbour", square())]);
  const gone: WeakRef<FenceVersion>[] = [];
  const take = (version: FenceVersion) => {
    // The store of the test keeps its own.
    const read = { ...version };
    gone.push(new WeakRef(read));
    catalogue.take([read]);
  };
  for (let trip = 0; trip < 1_000; trip++) {
    const name = `trip-${trip}`;
    take(store.next(name, square()));
    take(store.next(name));
    take(store.next(`unseen-${trip}`));
  }
  t.equal(catalogue.size, 1);
  t.equal(catalogue.versions.length, 1);
  t.equal(catalogue.find("trip-7"), undefined);
  t.equal(catalogue.standing("trip-7"), undefined);
  t.equal(catalogue.cell(0, 0).holding(0, 0, []).length, 1);
  t.equal(catalogue.revision, 3_001, "the removals are known all the same");
  t.equal(changes, 3_001);
  t.equal(await stillThere(gone), 0);
});

t.test("[FE17] [FE11] what is made again after that is another fence", async (t) => {
  const catalogue = new FenceCatalogue(() => {});
  const store = new Fences();
  catalogue.take([store.next("dock", square())]);
  catalogue.take([store.next("dock")]);
  catalogue.take([store.next("dock", square())]);
  t.match(catalogue.standing("dock"), { version: 3, since: 3, sameSince: 3 });
  catalogue.take([store.next("dock"), store.next("dock", square())]);
  t.match(catalogue.standing("dock"), { version: 5, since: 5, sameSince: 5 });
  t.equal(catalogue.size, 1);
});
