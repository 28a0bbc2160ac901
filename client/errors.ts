import type { DepartureReason, ErrorMessage } from "../src/transport/feed/protocol.ts";

/** More reports wait for their acknowledgement than `maxUnacknowledged`: nothing of the call was taken. */
export class ReportQueueFull extends Error {
  override readonly name = "ReportQueueFull";
  readonly waiting: number;
  constructor(waiting: number, limit: number) {
    super(`${waiting} reports wait for their acknowledgement, the limit is ${limit}: report again later`);
    this.waiting = waiting;
  }
}

/** The call has more reports than `maxUnacknowledged`, so that it can never be taken: report them in several calls. Nothing of it was taken. */
export class TooManyReports extends Error {
  override readonly name = "TooManyReports";
  constructor(count: number, limit: number) {
    super(
      `${count} reports are more than may ever wait for their acknowledgement, which are ${limit}: make several calls`,
    );
  }
}

/** One report is larger than a message may be, or is not JSON: nothing of the call was taken. */
export class ReportNotSendable extends Error {
  override readonly name = "ReportNotSendable";
  /** Index of the report in the call. */
  readonly index: number;
  constructor(index: number, detail: string) {
    super(`report ${index} ${detail}`);
    this.index = index;
  }
}

/** What a command, a view, a change of its filter or a stream of events asks is larger than a message may be (1 MiB), or is not JSON: nothing of it was sent. */
export class MessageNotSendable extends Error {
  override readonly name = "MessageNotSendable";
  constructor(detail: string) {
    super(`the message ${detail}`);
  }
}

/** More commands wait for their reply than may: nothing of the call was taken. */
export class CommandQueueFull extends Error {
  override readonly name = "CommandQueueFull";
  constructor(limit: number) {
    super(`${limit} commands wait for their reply: ask again later`);
  }
}

/**
 * A command, or a deletion, was sent, its connection was lost, and for 5 minutes no other could ask again: whether it was carried out is unknown. The
 * server may have forgotten it soon, so asking again might carry it out twice: look at the entity first.
 */
export class CommandOutcomeUnknown extends Error {
  override readonly name = "CommandOutcomeUnknown";
  /** The command's own id. */
  readonly id: string;
  constructor(id: string) {
    super(
      `whether command ${id} was carried out is unknown: its connection was lost, and it is too late to ask again`,
    );
    this.id = id;
  }
}

/** The connection is closed for good. Whether reports that were not acknowledged arrived is unknown. */
export class ConnectionClosed extends Error {
  override readonly name = "ConnectionClosed";
  /** WebSocket close code, 1000 when the client closed. */
  readonly code: number;
  constructor(code: number, reason: string) {
    super(`the connection is closed: ${reason} (${code})`);
    this.code = code;
  }
}

/** Type of the problem that there is no room, or no database, just now. */
export const UNAVAILABLE = "urn:muster:problem:unavailable";

/** Type of the problem that no role of who asks allows it. */
export const FORBIDDEN = "urn:muster:problem:forbidden";

/** The server refused a message of this client (RFC 9457). */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  /** Stable URN, `urn:muster:problem:…`. */
  readonly type: string;
  readonly status: number;
  readonly detail: string;
  /** Where the mistake in a `where` is, in characters from 0. */
  readonly position: number | undefined;
  constructor(problem: ErrorMessage) {
    super(`${problem.title}: ${problem.detail}`);
    this.type = problem.type;
    this.status = problem.status;
    this.detail = problem.detail;
    this.position = problem.position;
  }
}

/**
 * What the server sent is not the protocol, and nothing of it was applied. If it was the answer to a call, whether that was carried out is unknown.
 */
export class NotTheProtocol extends Error {
  override readonly name = "NotTheProtocol";
  /** What it names, whatever that is. */
  readonly about: { readonly n?: unknown; readonly view?: unknown; readonly events?: unknown };
  constructor(message: string, about: NotTheProtocol["about"] = {}) {
    super(message);
    this.about = about;
  }
}

/** The view is over, because what it followed has gone. */
export class ViewEnded extends Error {
  override readonly name = "ViewEnded";
  readonly reason: DepartureReason;
  constructor(reason: DepartureReason) {
    super(`the view is over, because what it followed has gone: ${reason}`);
    this.reason = reason;
  }
}
