/**
 * Reads reports as nearly all are written: ASCII without escapes, members that are texts and numbers, and nothing wrong with them. `JSON.parse` makes an object of
 * each first, and looks up each of its texts in a table of all short ones; without, a node takes 16 to 19 % more reports (decision 0016).
 *
 * All else – mistakes, attributes, other characters – is left to what reads any JSON and says what is wrong with it: a report that is read here is the one that
 * would be read there.
 */
import { Buffer } from "node:buffer";
import type { Report } from "../../actors/messages.ts";
import { MAX_ID_LENGTH } from "../../limits.ts";
import { MAX_FIND } from "../../picture/id-index.ts";
import type { Picture } from "../../picture/picture.ts";
import { decodeMember, emptyReport, isDots, missing } from "./report.ts";

const [TAB, LINE_FEED, CARRIAGE_RETURN, SPACE] = [9, 10, 13, 32];
const [QUOTE, COMMA, MINUS, POINT, ZERO, COLON] = [34, 44, 45, 46, 48, 58];
const [OPEN_LIST, BACKSLASH, CLOSE_LIST, OPEN, CLOSE, DELETE] = [91, 92, 93, 123, 125, 127];

const MEMBERS = [
  "id",
  "t",
  "kind",
  "source",
  "lon",
  "lat",
  "alt",
  "speed",
  "course",
  "heading",
  "accuracy",
  "seq",
];
const [ID, TIME, KIND] = ["id", "t", "kind"].map((member) => MEMBERS.indexOf(member));
/** Texts come first. */
const FIRST_NUMBER = MEMBERS.indexOf("lon");
/** With the quote that ends them. */
const MEMBER_BYTES = MEMBERS.map((member) => Buffer.from(`${member}"`));
/** The one member that two bytes may begin, plus 1. */
const BY_START = new Uint8Array(65_536);
for (const [i, bytes] of MEMBER_BYTES.entries()) BY_START[bytes[0]! * 256 + bytes[1]!] = i + 1;
/** By byte: 1 if it stands for itself in a text. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= SPACE && byte < DELETE && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);

/**
 * So many digits make an integer that a double holds, as it does 10 to the power of so many. The quotient of two numbers that are exact is rounded once, which is
 * what `Number` does with the text (Clinger, "How to Read Floating Point Numbers Accurately", 1990).
 */
const MAX_DIGITS = 15;
/** So many make one of 32 bits, which is faster. */
const SMALL_DIGITS = 9;
const POWERS = Float64Array.from({ length: MAX_DIGITS + 1 }, (_, i) => 10 ** i);

/** Of the ids that were last looked for. */
const SLOTS = new Int32Array(MAX_FIND);

/**
 * @param body a JSON array of `max` reports at most. @param picture whose ids are taken for those that are written there: they are found without making texts of them.
 * @returns undefined if it is not plain.
 */
export function plainReports(body: Uint8Array, max: number, picture: Picture): Report[] | undefined {
  const reader = new PlainReader(body);
  const reports = reader.list(max);
  return reports !== undefined && reader.name(reports, picture) ? reports : undefined;
}

class PlainReader {
  readonly #bytes: Buffer;
  /** What is read next. */
  #at = 0;
  /** Where the last time, kind and source are: those of the next report are often the same. 0 = nowhere. */
  readonly #last = new Int32Array(MEMBERS.length);
  #time = NaN;
  #kind = "";
  #source = "";
  /** Where the id of the report that is read begins and ends. */
  #idFrom = 0;
  #idTo = 0;
  /** By report: where its id begins, and where it ends. */
  readonly #ids: number[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Reads all but the ids. */
  list(max: number): Report[] | undefined {
    const reports: Report[] = [];
    if (!this.#skip(OPEN_LIST)) return undefined;
    do {
      const report = this.#report();
      if (report === undefined || reports.length === max) return undefined;
      reports.push(report);
    } while (this.#skip(COMMA));
    return this.#skip(CLOSE_LIST) && this.#token() < 0 ? reports : undefined;
  }

  /** Sets the ids of what was read. @returns whether they are right, and nothing is missing. */
  name(reports: readonly Report[], picture: Picture): boolean {
    const spans = this.#ids;
    const written = { bytes: this.#bytes, spans };
    for (let first = 0; first < reports.length; first += MAX_FIND) {
      const count = Math.min(MAX_FIND, reports.length - first);
      picture.findWritten(written, first, count, SLOTS);
      for (let i = 0; i < count; i++) {
        const report = reports[first + i]!;
        const slot = SLOTS[i]!;
        if (slot >= 0) {
          report.id = picture.columns.id[slot]!;
          report.hint = { slot };
          // Of a version before.
          if (isDots(report.id)) return false;
        } else {
          const at = 2 * (first + i);
          const id = this.#bytes.toString("latin1", spans[at], spans[at + 1]);
          if (decodeMember(report, "id", id) !== undefined) return false;
        }
        if (missing(report) !== undefined) return false;
      }
    }
    return true;
  }

  /** The next byte that is not white space, −1 at the end. It is not passed. */
  #token(): number {
    const bytes = this.#bytes;
    const { length } = bytes;
    let at = this.#at;
    for (; at < length; at++) {
      const byte = bytes[at]!;
      if (byte > SPACE) {
        this.#at = at;
        return byte;
      }
      if (byte !== SPACE && byte !== LINE_FEED && byte !== CARRIAGE_RETURN && byte !== TAB) return 0;
    }
    return -1;
  }

  /** Passes the next byte that is not white space if it is this. */
  #skip(byte: number): boolean {
    if (this.#bytes[this.#at] !== byte && this.#token() !== byte) return false;
    this.#at++;
    return true;
  }

  #report(): Report | undefined {
    if (!this.#skip(OPEN)) return undefined;
    const report = emptyReport();
    this.#idFrom = this.#idTo = 0;
    do {
      const member = this.#member();
      if (member < 0 || !this.#skip(COLON)) return undefined;
      const isRight = member < FIRST_NUMBER ? this.#text(report, member) : this.#number(report, member);
      if (!isRight) return undefined;
    } while (this.#skip(COMMA));
    this.#ids.push(this.#idFrom, this.#idTo);
    return this.#skip(CLOSE) ? report : undefined;
  }

  /** @returns its place in `MEMBERS`, or −1. */
  #member(): number {
    if (!this.#skip(QUOTE)) return -1;
    const bytes = this.#bytes;
    const at = this.#at;
    if (at + 1 >= bytes.length) return -1;
    const member = BY_START[bytes[at]! * 256 + bytes[at + 1]!]! - 1;
    if (member < 0) return -1;
    const name = MEMBER_BYTES[member]!;
    for (let i = 2; i < name.length; i++) if (bytes[at + i] !== name[i]) return -1;
    this.#at = at + name.length;
    return member;
  }

  /** @returns whether it is plain, and right. */
  #text(report: Report, member: number): boolean {
    if (!this.#skip(QUOTE)) return false;
    const bytes = this.#bytes;
    const { length } = bytes;
    const from = this.#at;
    let at = from;
    const last = this.#last[member]!;
    if (last > 0) {
      while (at < length && bytes[at] === bytes[last + at - from] && bytes[at] !== QUOTE) at++;
      if (bytes[at] === QUOTE && bytes[last + at - from] === QUOTE) {
        this.#at = at + 1;
        if (member === TIME) report.t = this.#time;
        else if (member === KIND) report.kind = this.#kind;
        else report.source = this.#source;
        return true;
      }
    }
    while (at < length && PLAIN[bytes[at]!] === 1) at++;
    if (at === length || bytes[at] !== QUOTE) return false;
    this.#at = at + 1;
    if (member === ID) {
      if (at - from > MAX_ID_LENGTH) return false;
      this.#idFrom = from;
      this.#idTo = at;
      return true;
    }
    const text = bytes.toString("latin1", from, at);
    if (decodeMember(report, MEMBERS[member]!, text) !== undefined) return false;
    if (member === TIME) this.#time = report.t;
    else if (member === KIND) this.#kind = text;
    else this.#source = text;
    this.#last[member] = from;
    return true;
  }

  /** @returns whether it is plain, and right. */
  #number(report: Report, member: number): boolean {
    const bytes = this.#bytes;
    const { length } = bytes;
    if (this.#token() < 0) return false;
    const from = this.#at;
    const first = bytes[from] === MINUS ? from + 1 : from;
    let at = first;
    let point = -1;
    let count = 0;
    let small = 0;
    let large = 0;
    for (; at < length; at++) {
      const digit = bytes[at]! - ZERO;
      if (digit >= 0 && digit <= 9) {
        if (count < SMALL_DIGITS) small = (Math.imul(small, 10) + digit) | 0;
        else large = (count === SMALL_DIGITS ? small : large) * 10 + digit;
        count++;
      } else if (digit === POINT - ZERO && point < 0) point = at;
      else break;
    }
    const isInteger = point < 0;
    // Digits on both sides of a point, and no zero in front of others.
    if (count === 0 || point === first || point === at - 1) return false;
    if (bytes[first] === ZERO && (isInteger ? count > 1 : point > first + 1)) return false;
    this.#at = at;
    let value = count > SMALL_DIGITS ? large : small;
    if (count > MAX_DIGITS) value = Number(bytes.toString("latin1", first, at));
    else if (!isInteger) value /= POWERS[at - 1 - point]!;
    return decodeMember(report, MEMBERS[member]!, first > from ? -value : value) === undefined;
  }
}
