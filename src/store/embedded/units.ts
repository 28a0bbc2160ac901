/**
 * Cuts what a client sends into units that must run without interruption: the start-up packet, a simple query, or everything up to a Sync.
 * PostgreSQL has one backend here and several clients, so a unit is the least that may be handed over; a single message is not
 * (a Bind of one client must not meet the Execute of another).
 *
 * Source: PostgreSQL documentation, "Frontend/Backend Protocol", Message Formats.
 */
import { MAX_UNIT_BYTES } from "../../limits.ts";
import { UnitTooLarge } from "../errors.ts";

const QUERY = 0x51;
const SYNC = 0x53;
const TERMINATE = 0x58;
const PARSE = 0x50;
const BIND = 0x42;
const DESCRIBE = 0x44;
const CLOSE = 0x43;
const STATEMENT = 0x53;
/** Type byte and length. */
const HEAD = 5;

/** `bytes` have memory of their own. */
export type Unit = { is: "startup" | "unit"; bytes: Buffer } | { is: "terminate" };

export class UnitReader {
  #pending: Buffer = Buffer.alloc(0);
  #unit: Buffer[] = [];
  #unitBytes = 0;
  #started = false;
  readonly #prefix: Buffer;
  /** Names of prepared statements that this client made, as the backend knows them. */
  readonly statements = new Set<string>();

  /** @param prefix put before the names of prepared statements, which all clients share: unique for each. */
  constructor(prefix: string) {
    this.#prefix = Buffer.from(prefix);
  }

  /** Takes bytes in. @returns the units that they complete. @throws UnitTooLarge if a unit is larger than it may be. */
  push(chunk: Buffer): Unit[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const units: Unit[] = [];
    for (;;) {
      const length = this.#nextLength();
      if (length > MAX_UNIT_BYTES || this.#unitBytes > MAX_UNIT_BYTES) {
        throw new UnitTooLarge(`a statement with its parameters takes more than ${MAX_UNIT_BYTES} bytes`);
      }
      if (length === 0 || this.#pending.length < length) return units;
      const message = this.#pending.subarray(0, length);
      this.#pending = this.#pending.subarray(length);
      const unit = this.#add(message);
      if (unit !== undefined) units.push(unit);
    }
  }

  /** Length of the next message with its head, 0 if not even that is there. */
  #nextLength(): number {
    if (!this.#started) return this.#pending.length < 4 ? 0 : this.#pending.readUInt32BE(0);
    return this.#pending.length < HEAD ? 0 : this.#pending.readUInt32BE(1) + 1;
  }

  #add(message: Buffer): Unit | undefined {
    if (!this.#started) {
      this.#started = true;
      return { is: "startup", bytes: owned(message) };
    }
    const type = message[0];
    if (type === TERMINATE) return { is: "terminate" };
    const renamed = this.#rename(message);
    this.#unit.push(renamed);
    this.#unitBytes += renamed.length;
    if (type !== QUERY && type !== SYNC) return undefined;
    // With memory of its own, so that it can be handed to the worker without a copy.
    const bytes = Buffer.allocUnsafeSlow(this.#unitBytes);
    let at = 0;
    for (const part of this.#unit) at += part.copy(bytes, at);
    this.#unit = [];
    this.#unitBytes = 0;
    return { is: "unit", bytes };
  }

  /** Puts the prefix before the name of a prepared statement, if the message has one. */
  #rename(message: Buffer): Buffer {
    let at: number;
    switch (message[0]) {
      case PARSE:
        at = HEAD;
        break;
      case BIND:
        at = message.indexOf(0, HEAD) + 1;
        break;
      case DESCRIBE:
      case CLOSE:
        if (message[HEAD] !== STATEMENT) return message;
        at = HEAD + 1;
        break;
      default:
        return message;
    }
    if (message[at] === 0) return message;
    const renamed = Buffer.concat([message.subarray(0, at), this.#prefix, message.subarray(at)]);
    renamed.writeUInt32BE(renamed.length - 1, 1);
    if (message[0] === PARSE) this.statements.add(renamed.toString("utf8", at, renamed.indexOf(0, at)));
    return renamed;
  }
}

function owned(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

/** A simple query as a unit. */
export function queryUnit(sql: string): Buffer {
  const text = Buffer.from(`${sql}\0`);
  const head = Buffer.alloc(HEAD);
  head[0] = QUERY;
  head.writeUInt32BE(text.length + 4, 1);
  return owned(Buffer.concat([head, text]));
}

/** ReadyForQuery: Z, length 5, and whether a transaction is open. */
const READY_BYTES = 6;
const READY = 0x5a;
const IDLE = 0x49;
const ERROR = 0x45;

/**
 * One unit's answer with one ReadyForQuery, as the protocol wants it. PGlite adds a second one after an error in an extended query, which
 * would end the client's next query before it began. No other message ends with bytes that look like one.
 */
export function withOneReady(answer: Uint8Array): Uint8Array {
  let end = answer.length;
  while (isReady(answer, end) && isReady(answer, end - READY_BYTES)) end -= READY_BYTES;
  return answer.subarray(0, end);
}

/** Whether an answer ends with ReadyForQuery. After PANIC and FATAL it does not: the backend has ended, whatever PGlite still does with it. */
export function isComplete(answer: Uint8Array): boolean {
  return isReady(answer, answer.length);
}

/** The text of the last ErrorResponse of an answer. */
export function lastError(answer: Uint8Array): string {
  const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.length);
  let text = "the engine gave no whole answer";
  for (let at = 0; at + HEAD <= bytes.length; at += 1 + bytes.readUInt32BE(at + 1)) {
    if (bytes[at] !== ERROR) continue;
    const fields = bytes.toString("utf8", at + HEAD, at + 1 + bytes.readUInt32BE(at + 1)).split("\0");
    text = fields.find((field) => field.startsWith("M"))?.slice(1) ?? text;
  }
  return text;
}

/** Whether an answer, which ends with ReadyForQuery, leaves the backend inside a transaction. */
export function leavesTransactionOpen(answer: Uint8Array): boolean {
  return isReady(answer, answer.length) && answer[answer.length - 1] !== IDLE;
}

function isReady(answer: Uint8Array, end: number): boolean {
  const at = end - READY_BYTES;
  return at >= 0 && answer[at] === READY && answer[at + 3] === 0 && answer[at + 4] === READY_BYTES - 1;
}
