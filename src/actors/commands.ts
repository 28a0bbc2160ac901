/**
 * What an entity does with a command: its machine takes the event of that name, or does not. Synchronous and without I/O; either way the outcome is a
 * fact, and remembered, so that the same command has the same answer whenever and wherever it comes again.
 */
import type { Follow } from "./catch-up.ts";
import { type CommandOutcome, OUTCOME } from "./command-memory.ts";
import type { EntityMachines, Reaction } from "./entity-machines.ts";
import type { EntityTable } from "./entity-table.ts";
import type { Commanded } from "./facts.ts";
import { isServerEvent } from "./machine/server-events.ts";
import { type Command, type CommandResult, EXPIRED, type MOVED } from "./messages.ts";
import type { FactSink } from "./receive.ts";
import type { Shard } from "./shard.ts";
import { shardOf } from "./shard-hash.ts";

export interface Decided {
  result: CommandResult | typeof MOVED;
  /** Decided before: answered after that is committed. */
  duplicate: boolean;
}

export class Commands {
  readonly #table: EntityTable;
  readonly #machines: EntityMachines;
  readonly #sink: FactSink;
  readonly #follow: Follow;
  readonly #changed: (slot: number) => void;

  /** @param changed is told of entities that may wait for something else now. */
  constructor(
    table: EntityTable,
    machines: EntityMachines,
    sink: FactSink,
    follow: Follow,
    changed: (slot: number) => void,
  ) {
    this.#table = table;
    this.#machines = machines;
    this.#sink = sink;
    this.#follow = follow;
    this.#changed = changed;
  }

  /**
   * Decides about one command, whose shard is open.
   * @param now Unix ms.
   */
  receive(command: Command, now: number): Decided {
    const { picture, shards, number } = this.#table;
    const shard = shards[shardOf(command.entity)];
    if (isServerEvent(command.name))
      return once(refused("invalid-command", `${command.name} is an event that only the server makes`));
    const slot = picture.find(command.entity);
    const known = shard.commands.findOf(slot < 0 ? -1 : number.of(slot), command.entity, command.id);
    if (known !== undefined)
      return { result: resultOf(command, known.outcome, known.state), duplicate: true };
    if (slot < 0) return once(refused("entity-not-found", `there is no entity ${command.entity}`));
    if (!shard.commands.hasRoom(now)) {
      const detail = "the entity's shard remembers as many commands as it may; try again later";
      return once(refused("overloaded", detail));
    }
    return once(this.#decide(shard, slot, command, now));
  }

  #decide(shard: Shard, slot: number, command: Command, now: number): CommandResult {
    const { columns } = this.#table.picture;
    if (shard.isBehind) this.#follow(shard, slot, now);
    const isExpired = columns.liveness.of(slot) === EXPIRED;
    const reaction = isExpired ? undefined : this.#machines.ask(shard, slot, eventOf(command), now);
    const outcome = outcomeOf(reaction);
    const state = reaction?.is === "accepted" ? reaction.state : columns.states.name(columns.state.of(slot));
    this.#record(shard, slot, { id: command.id, at: now, outcome, state });
    this.#emit(shard, slot, command, now, outcome, state);
    if (reaction?.is === "failed") this.#machines.fail(shard, slot, now, reaction.error);
    else if (reaction?.is === "accepted" && reaction.transition !== undefined)
      this.#machines.become(shard, slot, now, reaction.transition);
    this.#changed(slot);
    return resultOf(command, outcome, state);
  }

  #record(shard: Shard, slot: number, outcome: Pick<Commanded, "id" | "at" | "outcome" | "state">): void {
    const { number, picture } = this.#table;
    const seq = picture.columns.seq.of(slot) + 1;
    const fact = { is: "commanded", number: number.of(slot), seq, ...outcome } as const;
    this.#sink.record(shard, fact);
    this.#table.apply(shard, fact);
  }

  #emit(
    shard: Shard,
    slot: number,
    command: Command,
    time: number,
    outcome: CommandOutcome,
    state: string,
  ): void {
    const type = outcome === OUTCOME.accepted ? "command.accepted" : "command.refused";
    const { id, entity: subject, name } = command;
    this.#sink.emit(shard, this.#table.number.of(slot), { type, subject, time, data: { id, name, state } });
  }
}

function once(result: Decided["result"]): Decided {
  return { result, duplicate: false };
}

function eventOf({ name, data }: Command) {
  return { type: name, data: data ?? {} };
}

/** @param reaction absent = the entity has expired. */
function outcomeOf(reaction: Reaction | undefined): CommandOutcome {
  return reaction === undefined ? OUTCOME.expired : OUTCOME[reaction.is];
}

function refused(type: Extract<CommandResult, { accepted: false }>["type"], detail: string): CommandResult {
  return { accepted: false, type, detail };
}

function resultOf({ entity, name }: Command, outcome: CommandOutcome, state: string): CommandResult {
  switch (outcome) {
    case OUTCOME.accepted:
    case OUTCOME.deleted:
      return { accepted: true, state };
    case OUTCOME.refused:
      return refused(
        "command-refused",
        `${entity} is ${state}, and does not take ${name} there: it has no transition for it, or no guard of one holds`,
      );
    case OUTCOME.expired:
      return refused(
        "command-refused",
        `${entity} is ${state} and has expired: nothing was heard of it for long`,
      );
    case OUTCOME.failed:
      return refused(
        "command-refused",
        `${entity} is ${state}, and its machine failed on ${name}; the event machine.failed says why`,
      );
    default:
      return outcome satisfies never;
  }
}
