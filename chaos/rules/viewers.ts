/**
 * What a viewer sees of an entity does not go back, and at rest it sees what REST answers.
 *
 * A picture may run ahead of what is durable. So after a crash an entity may be at a lower number than was seen, but then its epoch is higher: within an
 * epoch numbers only grow. Small records of moves carry neither epoch nor seq, and what a replica has of them is of the last full record.
 */
import type { HistoryEvent, Picture, Report, Rule } from "../history.ts";

interface Sight {
  number: number;
  epoch: number;
  seq: number;
  event: number;
}

/** Differences spelled out for a view; the rest is counted. */
const MAX_SHOWN = 5;

export class ViewersRule implements Rule {
  readonly #report: Report;
  readonly #views = new Map<string, Map<string, Sight>>();
  readonly #pictures = new Map<string, { picture: Picture; event: number }>();
  readonly #answers = new Map<string, { picture: Picture; event: number }>();

  constructor(report: Report) {
    this.#report = report;
  }

  take(event: HistoryEvent, number: number): void {
    if (event.is === "seen") {
      let view = this.#views.get(event.by);
      if (view === undefined) {
        view = new Map();
        this.#views.set(event.by, view);
      }
      for (const [id, n, epoch, seq] of event.entities) {
        const before = view.get(id);
        const now = { number: n, epoch, seq, event: number };
        if (before !== undefined) this.#compare(event.by, id, before, now);
        view.set(id, now);
      }
    } else if (event.is === "picture") this.#pictures.set(event.by, { picture: event, event: number });
    else if (event.is === "answer") this.#answers.set(event.by, { picture: event, event: number });
  }

  end(): void {
    for (const [by, { picture, event }] of this.#pictures) {
      const answer = this.#answers.get(by);
      if (answer === undefined)
        this.#report("malformed", `nothing was asked for the picture of ${by}`, [event]);
      else this.#compareAtRest(by, picture.entities, answer.picture.entities, [event, answer.event]);
    }
  }

  #compare(by: string, id: string, before: Sight, now: Sight): void {
    const events = [before.event, now.event];
    const older = now.epoch < before.epoch || (now.epoch === before.epoch && now.seq < before.seq);
    if (older) {
      const text = `${id} for ${by}: (${before.epoch}, ${before.seq}), then (${now.epoch}, ${now.seq})`;
      this.#report("went-back", text, events);
    } else if (now.number < before.number && now.epoch === before.epoch) {
      const text = `${id} for ${by}: number ${before.number}, then ${now.number}, both in epoch ${now.epoch}`;
      this.#report("reordered", text, events);
    }
  }

  #compareAtRest(
    by: string,
    picture: Record<string, string>,
    answer: Record<string, string>,
    events: number[],
  ): void {
    const ids = [...new Set([...Object.keys(picture), ...Object.keys(answer)])];
    const different = ids.filter((id) => picture[id] !== answer[id]);
    if (different.length === 0) return;
    const shown = different
      .slice(0, MAX_SHOWN)
      .map((id) => `${id}: ${picture[id] ?? "absent"} instead of ${answer[id] ?? "absent"}`)
      .join("; ");
    this.#report("picture-differs", `${by}: ${different.length} entities differ: ${shown}`, events);
  }
}
