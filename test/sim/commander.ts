/**
 * Somebody who commands: entities that are there, each command under an id of its own and in several nodes at once. It asks again, in any node, until one
 * says what became of it; and now and then once more, much later.
 */
import { COMMAND_REFUSALS, type Command, type CommandResult } from "../../src/actors/messages.ts";
import type { Chance } from "./chance.ts";
import type { SimNode } from "./sim-node.ts";
import type { World } from "./world.ts";

const MOST_COPIES = 3;

interface Asked {
  command: Command;
  isOpen: boolean;
}

export class Commander {
  readonly #name: string;
  readonly #world: World;
  readonly #nodes: readonly SimNode[];
  readonly #chance: Chance;
  /** Under way, by the incarnation that was asked. */
  readonly #calls = new Map<object, { incarnation: string; asked: Asked; since: number }>();
  #made = 0;
  #open = 0;
  #stopped = false;

  constructor(name: string, world: World, nodes: readonly SimNode[], chance: Chance) {
    this.#name = name;
    this.#world = world;
    this.#nodes = nodes;
    this.#chance = chance;
  }

  start(): void {
    if (this.#stopped) return;
    this.#world.clock.schedule(this.#chance.between(20, 400), () => {
      this.#command();
      this.start();
    });
  }

  /** Has nothing new to ask. */
  stop(): void {
    this.#stopped = true;
  }

  /** Commands of which nobody has said what became of them. */
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

  #command(): void {
    const chance = this.#chance;
    const ids = [...this.#world.history.ids];
    if (this.#stopped || ids.length === 0) return;
    const id = `${this.#name}-${this.#made++}`;
    const name = chance.is(0.8) ? "sign-off" : "dance";
    const asked: Asked = { command: { id, entity: chance.pick(ids), name }, isOpen: true };
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
    this.#calls.set(call, { incarnation, asked, since: this.#world.clock.monotonic() });
    void node.command(asked.command).then((result) => {
      try {
        this.#calls.delete(call);
        this.#answered(incarnation, asked, result);
      } catch (error) {
        this.#world.fail(error);
      }
    });
  }

  #answered(by: string, asked: Asked, result: CommandResult): void {
    const { history, trace } = this.#world;
    const { id } = asked.command;
    trace.mix(`${by} says of ${id} ${JSON.stringify(result)}`);
    if (!result.accepted && COMMAND_REFUSALS[result.type].retry) {
      if (asked.isOpen) this.#soon(asked, 20, 300);
      return;
    }
    history.commandAnswered(asked.command, result, by);
    if (!asked.isOpen) return;
    asked.isOpen = false;
    this.#open -= 1;
    if (this.#chance.is(0.5)) this.#soon(asked, 500, 8_000);
  }
}
