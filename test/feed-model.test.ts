import t from "tap";
import { Channel, KEYS_END } from "../src/picture/channel.ts";
import { Clusters } from "../src/picture/clusters.ts";
import { HAS_PLACE } from "../src/picture/columns.ts";
import { Hold } from "../src/picture/hold.ts";
import { everything } from "../src/picture/lens.ts";
import { Publication } from "../src/picture/tick.ts";
import { AccessWatch } from "../src/transport/feed/access-watch.ts";
import { BoxView } from "../src/transport/feed/box-view.ts";
import { Follow } from "../src/transport/feed/follow.ts";
import { parts } from "../src/transport/feed/frame-parts.ts";
import { IdsView } from "../src/transport/feed/ids-view.ts";
import { PrivateRecords } from "../src/transport/feed/private-records.ts";
import { guardedHistories, histories, judge, picture } from "./feed/model-property.ts";
import { fc, runs } from "./support/seeded.ts";

t.test(
  "[F1, F25] at rest every replica equals what its filter and cover hold, whatever happened",
  async () => {
    fc.assert(histories, { numRuns: runs(4_000) });
  },
);

t.test(
  "[AC20, AC24, AC25] at rest every replica equals what is permitted and passes, and nothing else is ever sent, however labels and roles change",
  async () => {
    fc.assert(guardedHistories, { numRuns: runs(2_000) });
  },
);

/** Ways to break one rule each, by what the classes show: each gives back how to mend it. */
const BREAKAGES: Record<string, () => () => void> = {
  "a slot is used again before every channel has told its departure": () =>
    replaced(Channel.prototype, "hasTold", () => true),
  "a slow view goes on where it was": () => replaced(BoxView.prototype, "restart", () => {}),
  "a pan does not tell what left": () => replaced(Channel.prototype, "published", () => {}),
  "expired entities stay": () =>
    replaced(Channel.prototype, "passes", function (this: Channel, slot: number) {
      return (picture.columns.flags.of(slot) & HAS_PLACE) !== 0 && this.lens.test(slot);
    }),
  "a part of a snapshot counts as all of it": () => {
    const grow = Channel.prototype.grow;
    return replaced(Channel.prototype, "grow", function (this: Channel, cover, limit, write) {
      return { ...grow.call(this, cover, limit, write), end: KEYS_END };
    });
  },
  "what has changed is judged by where it is now": () =>
    replaced(Channel.prototype, "grow", function (this: Channel, cover, _limit, write) {
      let records = 0;
      for (let i = 0; i < cover.length; i += 2)
        picture.index.range(cover[i], cover[i + 1], (slot) => {
          if (!this.passes(slot)) return;
          write(slot);
          records++;
        });
      return { records, published: records, end: KEYS_END };
    }),
  "what was withheld is followed by a small record": () =>
    replaced(Channel.prototype, "give", function (this: Channel, slot, write) {
      if (!this.passes(slot)) return false;
      write(slot);
      return true;
    }),
  "a record that the filter hides is given outside of the tick": () =>
    replaced(Channel.prototype, "give", (slot, write) => {
      write(slot);
      return true;
    }),
  "a lens is judged once and for all": () => {
    const verdicts = new WeakMap<Channel, Map<number, boolean>>();
    const passes = Channel.prototype.passes;
    return replaced(Channel.prototype, "passes", function (this: Channel, slot: number) {
      const known = verdicts.get(this) ?? new Map<number, boolean>();
      verdicts.set(this, known);
      if (!known.has(slot)) known.set(slot, passes.call(this, slot));
      return known.get(slot)!;
    });
  },
  "who moves to another cell does not leave the one before": () => {
    const add = Publication.prototype.addDeparture;
    return replaced(Publication.prototype, "addDeparture", function (this: Publication, key, slot, reason) {
      if (reason !== "left") add.call(this, key, slot, reason);
    });
  },
  "all who depart have left": () => {
    const add = Publication.prototype.addDeparture;
    return replaced(Publication.prototype, "addDeparture", function (this: Publication, key, slot) {
      add.call(this, key, slot, "left");
    });
  },
  "who is new is announced with a move": () => {
    const add = Publication.prototype.addMove;
    return replaced(Publication.prototype, "addFull", function (this: Publication, key, slot) {
      add.call(this, key, slot, 0);
    });
  },
  "a move is held back for ever": () => replaced(Hold.prototype, "isGoodEnough", () => true),
  "a filter of one's own lets everything in": () =>
    replaced(PrivateRecords.prototype, "grow", function (this: PrivateRecords, channel, cover, { write }) {
      channel.published(cover, (slot) => {
        this.held.add(slot);
        write(slot);
      });
      return { end: KEYS_END, isCrowd: false };
    }),
  "a filter of one's own shows what its channel shows": () =>
    replaced(PrivateRecords.prototype, "select", (_publication, encoded) => {
      for (const list of ["departures", "moves", "fulls"] as const) parts[list].of(encoded[list]);
    }),
  "a view goes on following what is hidden": () => {
    const aim = Follow.prototype.aim;
    return replaced(Follow.prototype, "aim", function (this: Follow, view, _lens, now) {
      return aim.call(this, view, everything, now);
    });
  },
  "a view of ids goes on where it was": () => replaced(IdsView.prototype, "restart", () => {}),
  "another filter is not applied to what is held": () => replaced(BoxView.prototype, "refilter", () => {}),
  "clusters are never counted again": () => {
    const refresh = Clusters.prototype.refresh;
    return replaced(Clusters.prototype, "refresh", function (this: Clusters, channel, tick) {
      if (this.serial === 0) refresh.call(this, channel, tick);
    });
  },
  "a crowd that is gone stays in clusters": () => replaced(Clusters.prototype, "count", () => 1_000),
};

/** The same of who may see what. */
const OPENINGS: Record<string, () => () => void> = {
  "nobody looks whether roles have changed": () => replaced(AccessWatch.prototype, "tick", () => false),
  "what is held is not told to be denied": () => replaced(BoxView.prototype, "deny", () => {}),
  "what a view of ids holds is not told to be denied": () => replaced(IdsView.prototype, "deny", () => {}),
  "what is denied is followed as what is filtered": () => {
    const aim = Follow.prototype.aim;
    return replaced(Follow.prototype, "aim", function (this: Follow, view, lens, now) {
      return aim.call(this, view, { ...lens, permits: undefined }, now);
    });
  },
  "what is hidden since it was published departs from views that come": () =>
    replaced(Channel.prototype, "isCurrent", () => true),
};

function replaced<T extends object, K extends keyof T>(target: T, name: K, by: T[K]): () => void {
  const before = target[name];
  target[name] = by;
  return () => {
    target[name] = before;
  };
}

t.test("[F1] the model notices each rule that is broken", async (t) => {
  for (const [name, breakIt] of Object.entries(BREAKAGES)) {
    const mend = breakIt();
    const verdict = judge();
    mend();
    t.equal(verdict.is, "killed", name, verdict);
  }
});

t.test("[AC20, AC24, AC25] the model notices each way to see more", async (t) => {
  for (const [name, breakIt] of Object.entries(OPENINGS)) {
    const mend = breakIt();
    const verdict = judge("1", true);
    mend();
    t.equal(verdict.is, "killed", name, verdict);
  }
});
