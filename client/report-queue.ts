import type { Ack } from "../src/transport/feed/protocol.ts";
import { ReportQueueFull, TooManyReports } from "./errors.ts";
import { ReportEncoder } from "./report-encoder.ts";
import { type Content, cutMessages } from "./report-messages.ts";

/** Messages sent and not acknowledged: half of what the server lets wait on a connection. */
const MAX_IN_FLIGHT = 128;

/** What became of a call's reports. `index` counts in the call. All that were accepted are committed. */
export interface ReportResult {
  accepted: number;
  refused: Ack["refused"];
}

/** One `report` call, which may be several messages. */
interface Call {
  result: ReportResult;
  /** Messages not answered yet. */
  open: number;
  resolve(result: ReportResult): void;
  reject(error: Error): void;
}
interface Message {
  n: number;
  content: Content;
  /** Index of its first report in the call. */
  offset: number;
  count: number;
  call: Call;
}

/**
 * Reports between `report` and their acknowledgement, in order. A message is *queued*, then *in flight*, then answered
 * and forgotten; when the connection is lost, all that were in flight are queued again, in their old order and with
 * their old numbers. The server drops what it had already as far as it remembers: by `seq`, if reports have one, by the
 * last 8 reports of each entity, and by its track.
 */
export class ReportQueue {
  readonly #limit: number;
  /** Hands a message to the open connection. */
  readonly #transmit: (message: string | Uint8Array<ArrayBuffer>) => void;
  readonly #nextNumber: () => number;
  readonly #encoder = new ReportEncoder();
  /** By number, so in order: the first `#inFlight` are in flight, the rest is queued. */
  readonly #messages = new Map<number, Message>();
  #queued: Message[] = [];
  #inFlight = 0;
  #reports = 0;
  #open = false;

  /** @param nextNumber gives each message of the connection another, greater one. */
  constructor(
    limit: number,
    transmit: (message: string | Uint8Array<ArrayBuffer>) => void,
    nextNumber: () => number,
  ) {
    this.#limit = limit;
    this.#transmit = transmit;
    this.#nextNumber = nextNumber;
  }

  /** Reports that wait for their acknowledgement. */
  get waiting(): number {
    return this.#reports;
  }

  /** Rejects with what `Connection.report` says. */
  add(reports: readonly object[]): Promise<ReportResult> {
    if (!Array.isArray(reports)) {
      const given = reports === null ? "null" : typeof reports;
      return Promise.reject(new TypeError(`report takes an array of reports, and was given ${given}`));
    }
    if (reports.length === 0) return Promise.resolve({ accepted: 0, refused: [] });
    if (reports.length > this.#limit) return Promise.reject(new TooManyReports(reports.length, this.#limit));
    if (this.#reports + reports.length > this.#limit) {
      return Promise.reject(new ReportQueueFull(this.#reports, this.#limit));
    }
    let contents: Content[];
    try {
      contents = cutMessages(reports);
    } catch (error) {
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      const call: Call = { result: { accepted: 0, refused: [] }, open: contents.length, resolve, reject };
      let offset = 0;
      for (const content of contents) {
        const n = this.#nextNumber();
        const count = content.is === "json" ? content.texts.length : content.reports.length;
        const queued: Message = { n, content, offset, count, call };
        this.#messages.set(n, queued);
        this.#queued.push(queued);
        offset += count;
      }
      this.#reports += reports.length;
      this.#pump();
    });
  }

  /** @returns false if there is no such message */
  acknowledge(ack: Ack): boolean {
    const answered = this.#take(ack.n);
    if (answered === undefined) return false;
    const { call, offset } = answered;
    call.result.accepted += ack.accepted;
    for (const refusal of ack.refused) {
      call.result.refused.push({ ...refusal, index: refusal.index + offset });
    }
    call.open--;
    if (call.open === 0) {
      call.result.refused.sort((a, b) => a.index - b.index);
      call.resolve(call.result);
    }
    this.#pump();
    return true;
  }

  /** The server refused a whole message. @returns false if there is no such message */
  refuse(n: number, error: Error): boolean {
    const answered = this.#take(n);
    if (answered === undefined) return false;
    answered.call.reject(error);
    this.#pump();
    return true;
  }

  /** The connection is open: everything unacknowledged is sent, again or for the first time. @param binary whether it takes batches */
  opened(binary: boolean): void {
    this.#open = true;
    this.#encoder.opened(binary);
    this.#queued = [...this.#messages.values()];
    this.#inFlight = 0;
    this.#pump();
  }

  /** The connection is lost, another will come. */
  lost(): void {
    this.#open = false;
  }

  /** No connection will come: every call that waits is rejected. */
  end(error: Error): void {
    this.#open = false;
    for (const { call } of this.#messages.values()) call.reject(error);
    this.#messages.clear();
    this.#queued = [];
    this.#reports = 0;
  }

  #take(n: number): Message | undefined {
    const answered = this.#messages.get(n);
    if (answered === undefined) return undefined;
    this.#messages.delete(n);
    this.#inFlight--;
    this.#reports -= answered.count;
    return answered;
  }

  #pump(): void {
    if (!this.#open) return;
    let sent = 0;
    while (this.#inFlight < MAX_IN_FLIGHT && sent < this.#queued.length) {
      const next = this.#queued[sent++];
      this.#inFlight++;
      this.#transmit(this.#encoder.encode(next.n, next.content));
    }
    if (sent > 0) this.#queued.splice(0, sent);
  }
}
