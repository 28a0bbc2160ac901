/**
 * What a shard remembers of commands, so that one that is sent again is answered as before and not carried out again: the newest, for 10 minutes at
 * least, in the order in which they were decided. It is full while it holds its most and none of them is old enough to be forgotten.
 *
 * What is old is forgotten without a command, too. Should the wall clock go back after that, whoever reads the journal from an older checkpoint on
 * remembers more than was remembered when it was written: the oldest, and what was decided once more. That gives way.
 */
import assert from "node:assert/strict";
import { COMMAND_MEMORY_MS, MAX_COMMANDS_PER_SHARD, MAX_PATCHES_PER_SHARD } from "../limits.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { formerCommandKey, isPatchKey } from "./deletion-key.ts";
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
  readonly #inOrder = new Set<RememberedCommand>();
  /** Number → id → what was decided. A deletion, which is on the main loop, looks at the commands of its entity alone. */
  readonly #byNumber = new Map<number, Map<string, RememberedCommand>>();
  /** How many of them are patches. */
  #patches = 0;

  get size(): number {
    return this.#inOrder.size;
  }

  /** What was decided on a command of an entity. */
  find(number: number, id: string): RememberedCommand | undefined {
    return this.#byNumber.get(number)?.get(id);
  }

  /** What was decided on a command of an entity, or of one that had its id before. @param number −1 = there is none now. */
  findOf(number: number, entity: string, id: string): RememberedCommand | undefined {
    return this.find(number, id) ?? this.findFormer(formerCommandKey(id, entity));
  }

  /** What was decided on a deletion, or on a command whose entity is deleted since. @param key `deletionKey` or `formerCommandKey`. */
  findFormer(key: string): RememberedCommand | undefined {
    return this.find(NOBODY, key);
  }

  /** Whether one more may be decided. @param now Unix ms. */
  hasRoom(now: number): boolean {
    if (this.size < MAX_COMMANDS_PER_SHARD) return true;
    const [oldest] = this.#inOrder;
    return isOld(oldest, now);
  }

  /** Whether one more patch may be decided: they leave room for commands and deletions. @param now Unix ms. */
  hasRoomForPatch(now: number): boolean {
    this.forgetOld(now);
    return this.#patches < MAX_PATCHES_PER_SHARD && this.hasRoom(now);
  }

  /** @param now Unix ms. */
  forgetOld(now: number): void {
    for (const known of this.#inOrder) {
      if (!isOld(known, now)) break;
      this.#forget(known);
    }
  }

  remember({ number, id, at, outcome, state }: Omit<Commanded, "is" | "seq">): void {
    this.forgetOld(at);
    const before = this.find(number, id);
    const [oldest] = this.#inOrder;
    if (before !== undefined) this.#forget(before);
    else if (this.size >= MAX_COMMANDS_PER_SHARD) this.#forget(oldest);
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
    const own = this.#byNumber.get(number);
    if (own === undefined) return;
    this.#byNumber.delete(number);
    for (const known of own.values()) {
      known.number = NOBODY;
      known.id = formerCommandKey(known.id, entity);
      // Journals of before may have one that was carried out in two lives: the first counts.
      if (this.findFormer(known.id) !== undefined) this.#drop(known);
      else this.#index(known);
    }
  }

  /** All of it, in order. */
  write(out: ByteWriter): void {
    const states = new Map<string, number>();
    for (const { state } of this.#inOrder) if (!states.has(state)) states.set(state, states.size);
    out.reserve(5);
    out.varint(states.size);
    for (const state of states.keys()) out.string(state);
    out.reserve(5);
    out.varint(this.size);
    for (const { number, id, at, outcome, state } of this.#inOrder) {
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
    assert.ok(this.find(command.number, command.id) === undefined, "a command is decided once");
    this.#inOrder.add(command);
    if (isPatchKey(command.id)) this.#patches++;
    this.#index(command);
    assert.ok(this.size <= MAX_COMMANDS_PER_SHARD, "a checkpoint holds no more than may be remembered");
  }

  #index(command: RememberedCommand): void {
    const { number, id } = command;
    const own = this.#byNumber.get(number);
    if (own === undefined) this.#byNumber.set(number, new Map([[id, command]]));
    else own.set(id, command);
  }

  #drop(command: RememberedCommand): void {
    this.#inOrder.delete(command);
    if (isPatchKey(command.id)) this.#patches--;
  }

  #forget(command: RememberedCommand): void {
    this.#drop(command);
    const own = this.#byNumber.get(command.number)!;
    if (own.size === 1) this.#byNumber.delete(command.number);
    else own.delete(command.id);
  }
}

function isOld({ at }: RememberedCommand, now: number): boolean {
  return now - at > COMMAND_MEMORY_MS;
}
