import { type FrameSink, TEXT_FRAME } from "./frame-reader.ts";

/** Text messages, whole. */
export class TextMessages implements FrameSink {
  readonly #take: (text: string) => void;
  #isText = false;
  #parts: Buffer[] = [];

  constructor(take: (text: string) => void) {
    this.#take = take;
  }

  begin(kind: number): void {
    this.#isText = kind === TEXT_FRAME;
    this.#parts = [];
  }

  payload(part: Buffer): void {
    if (this.#isText) this.#parts.push(Buffer.from(part));
  }

  end(): void {
    if (this.#isText) this.#take(Buffer.concat(this.#parts).toString());
  }
}
