/**
 * Somebody who commands entities, or deletes them: those that are there and those that were, each request under an id of its own and in several nodes
 * at once. It asks again, in any node, until one says what became of it; and now and then once more, much later.
 */
import { COMMAND_REFUSALS, type CommandResult, type Request } from "../../src/actors/messages.ts";
import type { Chance } from "./chance.ts";
import type { SimNode } from "./sim-node.ts";
import type { World } from "./world.ts";

const MOST_COPIES = 3;

/** What is asked, and how often. */
export interface Habit {
  /** Between two requests, ms. */
  pause: readonly [least: number, most: number];
  request(id: string, entities: readonly string[], chance: Chance): Request;
}

export const COMMANDS: Habit = {
  pause: [20, 400],
  request(id, entities, chance) {
    const name = chance.is(0.8) ? "sign-off" : "dance";
    return { id, entity: chance.pick(entities), name };
  },
};

export const DELETIONS: Habit = {
  pause: [100, 1_500],
  request: (id, entities, chance) => ({ id, entity: chance.pick(entities), erase: chance.is(0.3) }),
};

interface Asked {
  request: Request;
  isOpen: boolean;
}

export class Commander {
  readonly #name: string;
  readonly #world: World;
  readonly #nodes: readonly SimNode[];
  readonly #chance: Chance;
  readonly #habit: Habit;
  /** Under way, by the incarnation that was asked. */
  readonly #calls = new Map<object, { incarnation: string; asked: Asked; since: number }>();
  #made = 0;
  #open = 0;
  #stopped = false;

  constructor(name: string, world: World, nodes: readonly SimNode[], chance: Chance, habit: Habit) {
    this.#name = name;
    this.#world = world;
    this.#nodes = nodes;
    this.#chance = chance;
    this.#habit = habit;
  }

  start(): void {
    if (this.#stopped) return;
    this.#world.clock.schedule(this.#chance.between(...this.#habit.pause), () => {
      this.#request();
      this.start();
    });
  }

  /** Has nothing new to ask. */
  stop(): void {
    this.#stopped = true;
  }

  /** Requests of which nobody has said what became of them. */
  get open(): number {
    return this.#open;
  }

  /** Calls without an answer since before `time`, of nodes that live. */
  unanswered(time: number): number {
    return [...this.#calls.values()].filter(({ since }) => since <= time).length;
  }

  /** A process is gone, and all that was asked of it is without an answer. */
  gone(incarnation: string): void {
    for (const [call, { incarnation: of, asked }] of this.#calls) {
      if (of !== incarnation) continue;
      this.#calls.delete(call);
      if (asked.isOpen) this.#soon(asked, 20, 300);
    }
  }

  #request(): void {
    const chance = this.#chance;
    const ids = [...this.#world.history.lives.ids];
    if (this.#stopped || ids.length === 0) return;
    const request = this.#habit.request(`${this.#name}-${this.#made++}`, ids, chance);
    const asked: Asked = { request, isOpen: true };
    this.#open += 1;
    this.#ask(asked);
    for (let copy = chance.whole(1, MOST_COPIES); copy > 1; copy--) this.#soon(asked, 0, 400);
  }

  #soon(asked: Asked, least: number, most: number): void {
    this.#world.clock.schedule(this.#chance.between(least, most), () => this.#ask(asked));
  }

  #ask(asked: Asked): void {
    const up = this.#nodes.filter(({ isUp }) => isUp);
    if (up.length === 0) {
      if (asked.isOpen) this.#soon(asked, 20, 300);
      return;
    }
    const node = this.#chance.pick(up);
    const { incarnation } = node;
    const call = {};
    const { history, clock } = this.#world;
    const { moment } = history.lives;
    this.#calls.set(call, { incarnation, asked, since: clock.monotonic() });
    void node.command(asked.request).then((result) => {
      try {
        this.#calls.delete(call);
        this.#answered(incarnation, asked, result, moment);
      } catch (error) {
        this.#world.fail(error);
      }
    });
  }

  /** @param since moment at which it was asked. */
  #answered(by: string, asked: Asked, result: CommandResult, since: number): void {
    const { history, trace } = this.#world;
    const { request } = asked;
    const { id } = request;
    trace.mix(`${by} says of ${id} ${JSON.stringify(result)}`);
    if (!result.accepted && COMMAND_REFUSALS[result.type].retry) {
      if (asked.isOpen) this.#soon(asked, 20, 300);
      return;
    }
    history.answered(request, result, by, since);
    if (!asked.isOpen) return;
    asked.isOpen = false;
    this.#open -= 1;
    if (this.#chance.is(0.5)) this.#soon(asked, 500, 8_000);
  }
}
