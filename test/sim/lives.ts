/**
 * The lives of entities, as the journal tells them, fact by fact: one begins with a report and ends with a deletion, after which a report begins
 * another. A moment is the number of facts that were stored until then.
 */
import { type CommandOutcome, OUTCOME } from "../../src/actors/command-memory.ts";
import type { Commanded, Deleted, Fact } from "../../src/actors/facts.ts";
import type { EventFact } from "../../src/actors/messages.ts";
import type { Sent } from "./sent.ts";
import { ensure } from "./violation.ts";

/** A state with a timer, and the one it leads to: of `tracked`. */
const TIMED = "online.stopped";
const TIMED_OUT = "online.idle";

export interface Life {
  readonly id: string;
  /** Among those of its id, from 0. */
  readonly no: number;
  /** Moments; ∞ = it lives. */
  readonly began: number;
  ended: number;
  seq: number;
  /** Numbers of its reports, as they were stored. */
  order: number[];
  stored: Set<number>;
  state: string;
  /** When the timer of its state is due; ∞ = it has none. */
  due: number;
  /** All that is known of it goes with it. */
  isErased: boolean;
  /** Moment since which nothing is left to do of its deletion. */
  removed: number;
}

/** One id. */
interface Entity {
  readonly lives: Life[];
  /** Due times of the timers that fired, whose events are to come. */
  readonly fired: number[];
  /** Erasures that are under way. */
  erasing: number;
}

/** On a command or deletion. */
export interface Decision {
  life: Life;
  shard: number;
  /** Moment. */
  at: number;
  outcome: CommandOutcome;
  /** Of the entity: after it, or the last. */
  state: string;
}

export class Lives {
  readonly #sent: Sent;
  readonly #byNumber = new Map<string, Life>();
  readonly #byId = new Map<string, Entity>();
  readonly #decisions = new Map<string, Decision>();
  /** The facts that are stored. */
  moment = 0;
  fired = 0;
  /** Accepted. */
  commands = 0;
  /** Carried out. */
  deletions = 0;

  constructor(sent: Sent) {
    this.#sent = sent;
  }

  get ids(): Iterable<string> {
    return this.#byId.keys();
  }

  /** What became of a command or deletion, by its id. */
  decision(id: string): Decision | undefined {
    return this.#decisions.get(id);
  }

  /** The life that a number of a shard names. */
  numbered(shard: number, number: number): Life | undefined {
    return this.#byNumber.get(`${shard}/${number}`);
  }

  /** The lives of an id that were not over at a moment, the newest first. */
  *since(id: string, moment: number): Iterable<Life> {
    const lives = this.#byId.get(id)?.lives ?? [];
    for (let no = lives.length - 1; no >= 0 && lives[no].ended > moment; no--) yield lives[no];
  }

  /** Whether an entity was there at each moment since one. */
  wasThere(id: string, moment: number): boolean {
    const newest = this.#byId.get(id)?.lives.at(-1);
    return newest !== undefined && newest.ended === Infinity && newest.began <= moment;
  }

  fact(shard: number, fact: Fact, by: string): void {
    this.moment += 1;
    const life = this.numbered(shard, fact.number) ?? this.#begin(shard, fact, by);
    if (fact.is === "removed") this.#removed(life, by);
    else {
      const { id, seq } = life;
      ensure(life.ended === Infinity, "C3", () => `${by} writes "${fact.is}" of ${id}, which is deleted`);
      ensure(fact.seq === seq + 1, "C3", () => `${by} writes fact ${fact.seq} of ${id} after ${seq}`);
      life.seq = fact.seq;
      if (fact.is === "reported") this.#reported(life, fact.sourceSeq, by);
      else if (fact.is === "commanded") this.#commanded(life, shard, fact, by);
      else if (fact.is === "transitioned") this.#transitioned(life, fact.state, fact.timers);
      else if (fact.is === "deleted") this.#deleted(life, shard, fact, by);
    }
  }

  event({ type, subject, time, data }: EventFact): void {
    if (type !== "state.changed" || data.to !== TIMED_OUT) return;
    const due = this.#byId.get(subject)?.fired.shift();
    ensure(
      due !== undefined && due <= time,
      "C7",
      () => `a timer of ${subject}, due at ${due}, fired at ${time}`,
    );
  }

  /** C3: what owners have in memory is what is durable. @param held id → seq. */
  checkState(held: ReadonlyMap<string, number>): void {
    for (const [id, { lives }] of this.#byId) {
      const { ended, seq } = lives.at(-1)!;
      const expected = ended === Infinity ? seq : undefined;
      ensure(
        held.get(id) === expected,
        "C3",
        () => `${id} is at ${held.get(id)}, and at ${expected} by the journal`,
      );
    }
  }

  /** The reports of each entity are stored in the order of their submission, as far as they were sent once, and to one node. */
  checkOrder(): void {
    for (const [id, { lives }] of this.#byId) this.#inOrder(id, this.#firstStored(id, lives));
  }

  /**
   * One that is not answered may be stored again in another life: the first time counts. And one that came while its id was erased was perhaps refused,
   * which was lost with its owner: the next one takes it, after what came later.
   */
  #firstStored(id: string, lives: readonly Life[]): number[] {
    const known = new Set<number>();
    const order: number[] = [];
    let erasedUntil = 0;
    for (const life of lives) {
      for (const n of life.order) {
        if (known.has(n)) continue;
        known.add(n);
        if (this.#sent.report(id, n)!.since >= erasedUntil) order.push(n);
      }
      if (life.isErased) erasedUntil = life.removed;
    }
    return order;
  }

  #inOrder(id: string, order: readonly number[]): void {
    const newest = new Map<string, number>();
    for (const n of order) {
      const submission = this.#sent.report(id, n)!;
      if (submission.times > 1) continue;
      const before = newest.get(submission.via) ?? -1;
      const isLater = submission.order > before;
      ensure(isLater, "order", () => `${id} ${n} is stored after a later one: ${order}`);
      newest.set(submission.via, submission.order);
    }
  }

  /** C7: at rest, no timer is long due. */
  checkTimers(now: number, graceMs: number): void {
    for (const [id, { lives }] of this.#byId) {
      const { due } = lives.at(-1)!;
      ensure(
        due + graceMs > now,
        "C7",
        () => `a timer of ${id} was due ${now - due} ms ago and did not fire`,
      );
    }
  }

  #begin(shard: number, fact: Fact, by: string): Life {
    const isErasure = fact.is === "deleted" && fact.erase;
    ensure(
      fact.is === "introduced" || isErasure,
      "C3",
      () => `${shard}/${fact.number} begins with a fact "${fact.is}" by ${by}`,
    );
    const { id } = fact;
    const entity: Entity = this.#byId.get(id) ?? { lives: [], fired: [], erasing: 0 };
    this.#byId.set(id, entity);
    const { lives } = entity;
    ensure((lives.at(-1)?.ended ?? 0) < Infinity, "C3", () => `${id} begins twice, by ${by}`);
    ensure(isErasure || entity.erasing === 0, "erased", () => `${by} begins ${id} while it is being erased`);
    const life: Life = {
      id,
      no: lives.length,
      began: this.moment,
      ended: Infinity,
      seq: 0,
      order: [],
      stored: new Set(),
      state: "",
      due: Infinity,
      isErased: false,
      removed: Infinity,
    };
    lives.push(life);
    this.#byNumber.set(`${shard}/${fact.number}`, life);
    return life;
  }

  #reported({ id, stored, order }: Life, n: number, by: string): void {
    ensure(!stored.has(n), "once", () => `${by} stores ${id} ${n} twice`);
    const submission = this.#sent.report(id, n);
    ensure(submission !== undefined, "order", () => `${id} ${n} is stored and was never sent`);
    ensure(submission.open > 0, "once", () => `${by} stores ${id} ${n} again, which is acknowledged`);
    stored.add(n);
    order.push(n);
  }

  /** C4: a command is decided once, whichever nodes it comes to. */
  #commanded(life: Life, shard: number, { id, outcome, state }: Commanded, by: string): void {
    ensure(!this.#decisions.has(id), "C4", () => `${by} decides ${id} of ${life.id} twice`);
    this.#decisions.set(id, { life, shard, at: this.moment, outcome, state });
    if (outcome === OUTCOME.accepted) this.commands += 1;
  }

  #transitioned(life: Life, state: string, timers: readonly { due: number }[]): void {
    const { id, state: from, due } = life;
    if (state === TIMED_OUT) {
      ensure(from === TIMED, "C7", () => `${id} fires a timer in ${from}`);
      this.#byId.get(id)!.fired.push(due);
      this.fired += 1;
    }
    life.state = state;
    life.due = timers[0]?.due ?? Infinity;
  }

  /** C4: a deletion takes one life. */
  #deleted(life: Life, shard: number, { command, erase, id }: Deleted, by: string): void {
    ensure(life.id === id, "C3", () => `${by} deletes ${id} by the number of ${life.id}`);
    ensure(!this.#decisions.has(command), "C4", () => `${by} carries ${command} out on ${id} twice`);
    const { moment: at } = this;
    this.#decisions.set(command, { life, shard, at, outcome: OUTCOME.deleted, state: life.state });
    this.deletions += 1;
    life.ended = this.moment;
    life.due = Infinity;
    life.isErased = erase;
    if (erase) this.#byId.get(id)!.erasing += 1;
  }

  #removed(life: Life, by: string): void {
    const { id } = life;
    ensure(life.ended < Infinity, "C3", () => `${by} removes ${id}, which is not deleted`);
    ensure(life.removed === Infinity, "once", () => `${by} removes ${id} twice`);
    life.removed = this.moment;
    if (life.isErased) this.#byId.get(id)!.erasing -= 1;
  }
}
