/** A node as far as mirrors go: a table, a source of what it owns, and mirrors of what others do. */

import assert from "node:assert/strict";
import { EntityTable } from "../../src/actors/entity-table.ts";
import type { Clock } from "../../src/clock.ts";
import { InterestMap } from "../../src/cluster/interest.ts";
import { MirrorSource } from "../../src/cluster/mirror-source.ts";
import { Mirrors } from "../../src/cluster/mirrors.ts";
import { HAS_PLACE, MIRROR } from "../../src/picture/columns.ts";
import { type Box, type Cover, coverOf, NOTHING } from "../../src/picture/cover.ts";
import { Picture } from "../../src/picture/picture.ts";
import { numbersOf } from "../support/numbers-of.ts";

/** Pictures are large; runs share them. */
const pool: Picture[] = [];

export function emptied(picture: Picture): Picture {
  picture.watch({ touched: () => {}, isDirty: () => false });
  for (let slot = 0; slot < picture.columns.extent; slot++)
    if (picture.columns.id[slot] !== undefined && picture.removal(slot) === undefined)
      picture.remove(slot, "left");
  picture.clearChanges();
  picture.releaseRemoved(() => true);
  return picture;
}

/** What one entity looks like, without its slot. */
export function seen(picture: Picture, slot: number) {
  const c = picture.columns;
  return {
    id: c.id[slot],
    ...numbersOf(c, slot),
    flags: c.flags.of(slot) & ~MIRROR,
    key: c.flags.of(slot) & HAS_PLACE ? c.key.of(slot) : 0,
    shard: c.shard.of(slot),
    attributes: c.attributes.get(slot) ?? "",
    labels: c.labels.get(slot) ?? [],
    fences: c.fences.get(slot) ?? [],
  };
}

export interface Limits {
  maxChangeBytes?: number;
  maxRoundBytes?: number;
}

/** How a node reaches the others. */
interface Wires {
  readonly clock: Clock;
  publish(from: string, to: string, payload: Uint8Array): Promise<number>;
  tell(from: string, to: string, type: "interest" | "resync", message: object): void;
}

export class TestNode {
  readonly name: string;
  readonly picture: Picture;
  readonly table: EntityTable;
  readonly interest = new InterestMap();
  readonly source: MirrorSource;
  readonly mirrors: Mirrors;
  /** Shard → epoch, as this node believes. */
  readonly owned = new Map<number, number>();
  readonly silences: string[] = [];
  /** Id → why, of what left its picture. */
  readonly removed = new Map<string, string>();
  cover: Cover = NOTHING;
  ids: readonly string[] = [];
  /** Id → the newest (epoch, seq) that its picture showed. */
  readonly #shown = new Map<string, { epoch: number; seq: number }>();
  /** Ids that their owner has deleted, and that have yet to leave this picture: what comes after that is counted anew. */
  readonly #doomed = new Set<string>();

  constructor(name: string, cluster: Wires, limits: Limits) {
    this.name = name;
    this.picture = pool.pop() ?? new Picture();
    this.table = new EntityTable(this.picture);
    const { clock } = cluster;
    this.source = new MirrorSource({
      node: name,
      table: this.table,
      clock,
      publish: (node, payload) => cluster.publish(name, node, payload),
      ...limits,
    });
    this.mirrors = new Mirrors({
      picture: this.picture,
      clock,
      interest: this.interest,
      tell: (node, type, message) => cluster.tell(name, node, type, message),
      onSilent: (node, silent) => this.silences.push(`${node} ${silent ? "silent" : "heard"}`),
    });
  }

  look(box: Box | undefined): void {
    const cover = box === undefined ? NOTHING : coverOf(box);
    this.interest.moved(this.cover, cover);
    this.cover = cover;
  }

  want(ids: readonly string[]): void {
    this.interest.wanted(ids);
    this.interest.unwanted(this.ids);
    this.ids = ids;
  }

  /** The entity as it is in this node's picture. */
  entity(id: string) {
    const slot = this.picture.find(id);
    return slot < 0 ? undefined : seen(this.picture, slot);
  }

  /** The owner of an entity has deleted it. */
  deleted(id: string): void {
    if (this.picture.find(id) < 0) this.#shown.delete(id);
    else this.#doomed.add(id);
  }

  /** Looks that nothing went back. Each round, since it plays the feed too. */
  check(): void {
    const { columns } = this.picture;
    for (let slot = 0; slot < columns.extent; slot++) {
      const id = columns.id[slot];
      const reason = id === undefined ? undefined : this.picture.removal(slot);
      if (id === undefined || reason === undefined) continue;
      this.removed.set(id, reason);
      if (this.#doomed.delete(id)) this.#shown.delete(id);
    }
    for (let slot = 0; slot < columns.extent; slot++) {
      const id = columns.id[slot];
      if (id === undefined || this.picture.removal(slot) !== undefined) continue;
      const epoch = columns.epoch.of(slot);
      const seq = columns.seq.of(slot);
      const before = this.#shown.get(id);
      if (before !== undefined)
        assert.ok(
          epoch > before.epoch || (epoch === before.epoch && seq >= before.seq),
          `${id} at ${this.name} goes back from (${before.epoch}, ${before.seq}) to (${epoch}, ${seq})`,
        );
      this.#shown.set(id, { epoch, seq });
    }
    // As the feed does at each base tick.
    this.picture.clearChanges();
    this.picture.releaseRemoved(() => true);
  }

  end(): void {
    pool.push(emptied(this.picture));
  }
}
