/**
 * What a shard remembers of commands, so that one that is sent again is answered as before and not carried out again: the newest, for 10 minutes at
 * least, in the order in which they were decided. It is full while it holds its most and none of them is old enough to be forgotten.
 */
import assert from "node:assert/strict";
import { COMMAND_MEMORY_MS, MAX_COMMANDS_PER_SHARD } from "../limits.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { formerCommandKey } from "./deletion-key.ts";
import type { Commanded } from "./facts.ts";

/** What was decided on a command. */
export interface RememberedCommand {
  /** Of its entity. */
  number: number;
  /** Its own; it counts within its entity. */
  id: string;
  /** When it was decided, Unix ms. */
  at: number;
  outcome: CommandOutcome;
  /** Of the entity: after a command that was accepted, or in which it refused. */
  state: string;
}

/** Stored, so they stay what they are. `failed`: the machine threw. */
export const OUTCOME = { accepted: 0, refused: 1, expired: 2, failed: 3, deleted: 4 } as const;
export type CommandOutcome = (typeof OUTCOME)[keyof typeof OUTCOME];

/** In place of a number, for what was deleted and what was asked of it: that number names nothing any more. */
const NOBODY = 0xffffffff;

export class CommandMemory {
  #byKey = new Map<string, RememberedCommand>();

  get size(): number {
    return this.#byKey.size;
  }

  /** What was decided on a command of an entity. */
  find(number: number, id: string): RememberedCommand | undefined {
    return this.#byKey.get(keyOf(number, id));
  }

  /** What was decided on a deletion, or on a command whose entity is deleted since. @param key `deletionKey` or `formerCommandKey`. */
  findFormer(key: string): RememberedCommand | undefined {
    return this.find(NOBODY, key);
  }

  /** Whether one more may be decided. @param now Unix ms. */
  hasRoom(now: number): boolean {
    if (this.#byKey.size < MAX_COMMANDS_PER_SHARD) return true;
    const [oldest] = this.#byKey.values();
    return isOld(oldest, now);
  }

  remember({ number, id, at, outcome, state }: Omit<Commanded, "is" | "seq">): void {
    for (const [key, known] of this.#byKey) {
      if (!isOld(known, at)) break;
      this.#byKey.delete(key);
    }
    this.#add({ number, id, at, outcome, state });
  }

  /**
   * Remembers a deletion. The commands of what is deleted are known by the entity's id from now on: one that comes late must not be carried out on
   * what has that id then.
   * @param key `deletionKey`. @param at Unix ms.
   */
  rememberDeletion(number: number, entity: string, key: string, at: number, state: string): void {
    this.#becomeFormer(number, entity);
    this.remember({ number: NOBODY, id: key, at, outcome: OUTCOME.deleted, state });
  }

  #becomeFormer(number: number, entity: string): void {
    const before = this.#byKey;
    this.#byKey = new Map();
    for (const known of before.values()) {
      const command =
        known.number === number
          ? { ...known, number: NOBODY, id: formerCommandKey(known.id, entity) }
          : known;
      const key = keyOf(command.number, command.id);
      // Journals of before may have one that was carried out in two lives: the first counts.
      if (!this.#byKey.has(key)) this.#byKey.set(key, command);
    }
  }

  /** All of it, in order. */
  write(out: ByteWriter): void {
    const states = new Map<string, number>();
    for (const { state } of this.#byKey.values()) if (!states.has(state)) states.set(state, states.size);
    out.reserve(5);
    out.varint(states.size);
    for (const state of states.keys()) out.string(state);
    out.reserve(5);
    out.varint(this.#byKey.size);
    for (const { number, id, at, outcome, state } of this.#byKey.values()) {
      out.string(id);
      out.reserve(24);
      out.varint(number);
      out.f64(at);
      out.u8(outcome);
      out.varint(states.get(state)!);
    }
  }

  /** Takes over what was written. */
  read(input: ByteReader): void {
    const states = Array.from({ length: input.varint() }, () => input.string());
    for (let left = input.varint(); left > 0; left--) {
      const id = input.string();
      const number = input.varint();
      const at = input.f64();
      const outcome = input.u8() as CommandOutcome;
      this.#add({ number, id, at, outcome, state: states[input.varint()] });
    }
  }

  #add(command: RememberedCommand): void {
    const key = keyOf(command.number, command.id);
    assert.ok(!this.#byKey.has(key), "a command is decided once");
    this.#byKey.set(key, command);
    assert.ok(
      this.#byKey.size <= MAX_COMMANDS_PER_SHARD,
      "a command is refused when there is no room for it",
    );
  }
}

function keyOf(number: number, id: string): string {
  return `${number} ${id}`;
}

function isOld({ at }: RememberedCommand, now: number): boolean {
  return now - at > COMMAND_MEMORY_MS;
}
