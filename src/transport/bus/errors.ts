/** What keeps a bus from being opened. */

/** Why there is no bus. `code` is stable, the message is a sentence for the operator. */
export class BusStartError extends Error {
  override readonly name = "BusStartError";
  readonly code: BusStartCode;

  constructor(code: BusStartCode, message: string) {
    super(message);
    this.code = code;
  }
}
export type BusStartCode = "cannot-connect" | "wrong-password" | "refused" | "not-redis" | "version-too-old";
