/**
 * Nothing acknowledged is lost, nothing is taken twice, nothing comes from nowhere.
 *
 * That an entity took a report exactly once shows in its `seq`, which counts its facts without gaps: 2 when it is introduced (its id, and the initial
 * state of its machine), 1 for each report taken, late ones too, 1 for each change of state, 1 for each step of silence, 1 for each command. All but reports are counted by the
 * rows that they leave in the table `event`. The journal cannot tell: it is truncated all the time.
 */
import type { AtRest, HistoryEvent, Numbered, Report, Rule, Sent } from "../history.ts";

/** Facts of an entity before its first report. */
const FACTS_AT_START = 2;

interface Entity {
  /** By number of the report: the event in which it was first sent, and was accepted. */
  sent: number[];
  accepted: number[];
  /** Refused for good in all answers so far: number → event. */
  refused: Map<number, number>;
  /** Sent at least once without an answer that says what became of it. */
  doubtful: Set<number>;
  distinct: number;
  acceptedDistinct: number;
  /** Highest number accepted; 0 = none. */
  highest: number;
  /** Rows about it that stand for a fact. */
  changes: number;
  lastChange: number;
  final: { at: AtRest; event: number } | undefined;
}

export class ReportsRule implements Rule {
  readonly #report: Report;
  readonly #entities = new Map<string, Entity>();
  readonly #open = new Map<number, { reports: Numbered[]; event: number }>();
  #finals = 0;
  #recorded = false;
  #settled = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  take(event: HistoryEvent, number: number): void {
    switch (event.is) {
      case "sent":
        this.#send(event, number);
        return;
      case "answered":
        this.#answer(event.batch, number, new Map(event.refused.map(([index, , again]) => [index, again])));
        return;
      case "unanswered":
        for (const [id, n] of this.#close(event.batch, number)) this.#entities.get(id)!.doubtful.add(n);
        return;
      case "seen":
        for (const [id, n] of event.entities) this.#known(id, n, number);
        return;
      case "recorded":
        this.#recorded = true;
        for (const [, subject, type, , to] of event.rows) {
          const entity = this.#entities.get(subject);
          // That silence has ended is told by the report that ended it.
          if (entity === undefined || (type === "liveness.changed" && to === "live")) continue;
          entity.changes++;
          entity.lastChange = number;
        }
        return;
      case "decided":
        for (const [, subject] of event.rows) {
          const entity = this.#entities.get(subject);
          if (entity === undefined) continue;
          entity.changes++;
          entity.lastChange = number;
        }
        return;
      case "final":
        this.#finals = number;
        for (const at of event.entities) {
          const entity = this.#entities.get(at[0]);
          if (entity === undefined) this.#known(at[0], at[1], number);
          else entity.final = { at, event: number };
        }
        return;
      case "settled":
        this.#settled = number;
        return;
      case "owners":
      case "fault":
      case "quiet":
      case "stored":
      case "picture":
      case "answer":
      case "asked":
      case "told":
        return;
      default:
        event satisfies never;
    }
  }

  end(): void {
    for (const { reports } of this.#open.values())
      for (const [id, n] of reports) this.#entities.get(id)!.doubtful.add(n);
    for (const [id, entity] of this.#entities) {
      if (this.#settled > 0) this.#checkAnswers(id, entity);
      if (this.#finals > 0) this.#checkFinal(id, entity);
    }
  }

  #send({ batch, reports }: Sent, event: number): void {
    if (this.#open.has(batch)) this.#report("malformed", `batch ${batch} is sent twice`, [event]);
    this.#open.set(batch, { reports, event });
    for (const [id, n] of reports) {
      const entity = this.#entity(id);
      if (entity.sent[n] !== undefined) continue;
      if (n !== entity.distinct + 1)
        this.#report("malformed", `${id}: number ${n} comes after ${entity.distinct}`, [event]);
      entity.sent[n] = event;
      entity.distinct++;
    }
  }

  #answer(batch: number, event: number, refused: ReadonlyMap<number, boolean>): void {
    for (const [index, [id, n]] of this.#close(batch, event).entries()) {
      const entity = this.#entities.get(id)!;
      const again = refused.get(index);
      if (again === true) entity.doubtful.add(n);
      else if (again === false) entity.refused.set(n, event);
      else if (entity.accepted[n] === undefined) {
        entity.accepted[n] = event;
        entity.acceptedDistinct++;
        entity.highest = Math.max(entity.highest, n);
        entity.refused.delete(n);
        entity.doubtful.delete(n);
      }
    }
  }

  #close(batch: number, event: number): Numbered[] {
    const open = this.#open.get(batch);
    this.#open.delete(batch);
    if (open === undefined)
      this.#report("malformed", `batch ${batch} is not open, and was answered`, [event]);
    return open?.reports ?? [];
  }

  /** Whether somebody sent this number before. */
  #known(id: string, n: number, event: number): boolean {
    if (n === 0 || this.#entities.get(id)?.sent[n] !== undefined) return true;
    this.#report("invented", `${id}: number ${n} was never sent`, [event]);
    return false;
  }

  #checkAnswers(id: string, entity: Entity): void {
    for (let n = 1; n < entity.sent.length; n++) {
      if (entity.accepted[n] !== undefined || entity.refused.has(n) || entity.sent[n] === undefined) continue;
      const text = `${id}: number ${n} was never accepted or refused for good`;
      this.#report("not-answered", text, [entity.sent[n], this.#settled]);
    }
  }

  #checkFinal(id: string, entity: Entity): void {
    const { final, highest, accepted, refused, doubtful } = entity;
    if (final === undefined) {
      if (highest > 0)
        this.#report("lost", `${id} is gone; number ${highest} was acknowledged`, [
          accepted[highest],
          this.#finals,
        ]);
      return;
    }
    const [, n, , seq] = final.at;
    if (!this.#known(id, n, final.event)) return;
    if (n < highest) {
      const text = `${id} is at number ${n}; ${highest} was acknowledged`;
      this.#report("lost", text, [accepted[highest], final.event]);
    }
    if (refused.has(n) && !doubtful.has(n)) {
      const text = `${id} is at number ${n}, which was refused for good`;
      this.#report("refused-taken", text, [refused.get(n)!, final.event]);
    }
    if (this.#recorded) this.#checkCount(id, entity, seq, final.event);
  }

  #checkCount(id: string, entity: Entity, seq: number, event: number): void {
    const { acceptedDistinct, distinct, changes, refused, doubtful } = entity;
    const taken = seq - FACTS_AT_START - changes;
    const surelyNot = [...refused.keys()].filter((n) => !doubtful.has(n)).length;
    const most = distinct - surelyNot;
    const facts = `${id} has seq ${seq} and ${changes} changes, so it took ${taken} reports`;
    const events = [entity.accepted[entity.highest], entity.lastChange, event].filter((one) => one > 0);
    if (taken > most) this.#report("doubled", `${facts}; ${most} can have been taken`, events);
    if (taken < acceptedDistinct)
      this.#report("swallowed", `${facts}; ${acceptedDistinct} were acknowledged`, events);
  }

  #entity(id: string): Entity {
    let entity = this.#entities.get(id);
    if (entity === undefined) {
      entity = {
        ...{ sent: [], accepted: [], refused: new Map(), doubtful: new Set(), distinct: 0 },
        ...{ acceptedDistinct: 0, highest: 0, changes: 0, lastChange: 0, final: undefined },
      };
      this.#entities.set(id, entity);
    }
    return entity;
  }
}
