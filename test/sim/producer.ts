/**
 * Somebody who reports: entities of its own, each report with a number. It sends the same report again, in any node, until one has acknowledged it.
 */
import { type IngestResult, REFUSALS, type Report } from "../../src/actors/messages.ts";
import type { Chance } from "./chance.ts";
import type { SimNode } from "./sim-node.ts";
import { ensure } from "./violation.ts";
import type { World } from "./world.ts";

/** Where everything is: some near each other, some far away. */
export const PLACES: readonly (readonly [lon: number, lat: number])[] = [
  [10, 50],
  [10.4, 50.2],
  [25, 60],
  [-70, -30],
];
/** Around a place, degrees. */
export const AREA = 0.3;
/** From the oldest report of an entity that is not acknowledged to its newest: owners know duplicates by their numbers within a window of 64. */
const MAX_OPEN = 40;
const ENTITIES = 6;
const MAX_BATCH = 8;

export class Producer {
  readonly #name: string;
  readonly #world: World;
  readonly #nodes: readonly SimNode[];
  readonly #chance: Chance;
  #node: SimNode;
  readonly #numbers = new Array<number>(ENTITIES).fill(0);
  /** Reports of each entity that are not acknowledged. */
  readonly #open = new Map<string, Set<number>>();
  /** To be sent again. */
  #again: Report[] = [];
  /** Under way, by the incarnation that was asked. */
  readonly #asked = new Map<object, { incarnation: string; reports: readonly Report[]; since: number }>();
  #resending = false;
  #stopped = false;

  constructor(name: string, world: World, nodes: readonly SimNode[], chance: Chance) {
    this.#name = name;
    this.#world = world;
    this.#nodes = nodes;
    this.#chance = chance;
    this.#node = chance.pick(nodes);
  }

  start(): void {
    if (this.#stopped) return;
    this.#world.clock.schedule(this.#chance.between(10, 250), () => {
      this.#report();
      this.start();
    });
  }

  /** Has nothing new to say. */
  stop(): void {
    this.#stopped = true;
  }

  /** Without an acknowledgement. */
  get open(): number {
    let open = 0;
    for (const { size } of this.#open.values()) open += size;
    return open;
  }

  /** Batches without an answer since before `time`, of nodes that live. */
  unanswered(time: number): number {
    return [...this.#asked.values()].filter(({ since }) => since <= time).length;
  }

  /** A process is gone, and all that was asked of it is without an answer. */
  gone(incarnation: string): void {
    for (const [call, asked] of this.#asked) {
      if (asked.incarnation !== incarnation) continue;
      this.#asked.delete(call);
      this.#sendAgain(asked.reports);
    }
  }

  #report(): void {
    if (this.#stopped) return;
    const reports: Report[] = [];
    for (let i = this.#chance.whole(1, MAX_BATCH); i > 0; i--) {
      const number = this.#chance.whole(0, ENTITIES - 1);
      const id = `${this.#name}-${number}`;
      const open = this.#open.get(id) ?? new Set();
      this.#open.set(id, open);
      const [oldest = Infinity] = open;
      if (this.#numbers[number] - oldest >= MAX_OPEN) continue;
      open.add(this.#numbers[number]);
      reports.push(this.#make(id, this.#numbers[number]++));
    }
    this.#send(reports);
  }

  #make(id: string, seq: number): Report {
    const chance = this.#chance;
    const [lon, lat] = chance.pick(PLACES);
    return {
      id,
      t: this.#world.clock.now(),
      kind: "ship",
      lon: lon + chance.between(-AREA / 2, AREA / 2),
      lat: lat + chance.between(-AREA / 2, AREA / 2),
      speed: chance.is(0.6) ? 0 : 5,
      ...(chance.is(0.2) && { attributes: { n: seq } }),
      source: this.#name,
      seq,
    };
  }

  /** A node, mostly the one of before. */
  #choose(): SimNode | undefined {
    if (!this.#node.isUp || this.#chance.is(0.05)) {
      const up = this.#nodes.filter(({ isUp }) => isUp);
      if (up.length === 0) return undefined;
      this.#node = this.#chance.pick(up);
    }
    return this.#node;
  }

  #send(reports: readonly Report[]): void {
    if (reports.length === 0) return;
    const node = this.#choose();
    if (node === undefined) {
      this.#sendAgain(reports);
      return;
    }
    const { incarnation } = node;
    const call = {};
    this.#asked.set(call, { incarnation, reports, since: this.#world.clock.monotonic() });
    const { history } = this.#world;
    const { moment } = history.lives;
    for (const { id, seq } of reports) history.sent.submitted(id, seq!, incarnation, moment);
    void node.submit(reports).then((result) => {
      try {
        this.#answered(incarnation, reports, result, moment, this.#asked.delete(call));
      } catch (error) {
        this.#world.fail(error);
      }
    });
  }

  /** @param since moment at which they were sent. @param waited false: it counts as lost already, but what is acknowledged is. */
  #answered(
    by: string,
    reports: readonly Report[],
    { accepted, refused }: IngestResult,
    since: number,
    waited: boolean,
  ): void {
    const { history, trace } = this.#world;
    const refusals = new Map(refused.map(({ index, type }) => [index, type]));
    ensure(accepted + refusals.size === reports.length, "C8", () => `${by} does not answer each report once`);
    trace.mix(`${by} accepts ${accepted} of ${reports.length}`);
    const again: Report[] = [];
    for (const [index, report] of reports.entries()) {
      const { id, seq } = report;
      const type = refusals.get(index);
      if (type === undefined) {
        history.acknowledged(id, seq!, by, since);
        if (waited) this.#open.get(id)!.delete(seq!);
      } else {
        ensure(REFUSALS[type].retry, "C3", () => `${by} refuses ${id} ${seq} for good: ${type}`);
        again.push(report);
      }
    }
    if (waited) this.#sendAgain(again);
  }

  #sendAgain(reports: readonly Report[]): void {
    this.#again.push(...reports);
    if (this.#again.length === 0 || this.#resending) return;
    this.#resending = true;
    this.#world.clock.schedule(this.#chance.between(20, 300), () => {
      this.#resending = false;
      const all = this.#again;
      this.#again = [];
      for (let at = 0; at < all.length; at += 2 * MAX_BATCH) this.#send(all.slice(at, at + 2 * MAX_BATCH));
    });
  }
}
