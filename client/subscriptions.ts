import { type FrameHead, LayoutError, readFrameHead, viewNumber } from "../src/transport/feed/layout.ts";
import type { ServerMessage } from "../src/transport/feed/protocol.ts";
import { MessageNotSendable } from "./errors.ts";
import type { View } from "./view.ts";
import type { ViewLink } from "./view-link.ts";

/** What names a view. */
type ViewMessage = Extract<
  ServerMessage,
  { op: "view" | "ended" | "playback" | "snapshot" | "delta" | "clusters" }
>;

/**
 * Whom a frame is for. The client names each subscription anew, so that late frames of an earlier one of the same view
 * are told apart; the server's answer gives it a number, which names it in binary frames.
 */
export class Subscriptions {
  readonly #views = new Map<string, View>();
  readonly #names = new Map<number, string>();
  #last = 0;

  /** A name that this connection never used. */
  name(view: View): string {
    const name = `v${++this.#last}`;
    this.#views.set(name, view);
    return name;
  }

  /** The server's number for a name, until it gives it to another. */
  number(name: string, number: number): void {
    if (this.#views.has(name)) this.#names.set(number, name);
  }

  forget(name: string): void {
    this.#views.delete(name);
    for (const [number, named] of this.#names) if (named === name) this.#names.delete(number);
  }

  named(name: string): View | undefined {
    return this.#views.get(name);
  }

  /**
   * Gives a message to its view. Those of a subscription that is given up are still under way: nobody wants them, and nobody knows whether their time is now.
   * @param observe takes the time of a frame of what is now
   */
  receive(message: ViewMessage, observe: (t: string | undefined) => void): void {
    if (message.op === "view" && message.number !== undefined) this.number(message.view, message.number);
    const view = this.named(message.view);
    switch (message.op) {
      case "view":
        view?.receiveReply(message);
        return;
      case "ended":
        view?.receiveEnded(message.reason);
        return;
      case "playback":
        view?.receivePlayback(message);
        return;
      case "snapshot":
      case "delta":
      case "clusters":
        if (view?.isLive === true) observe(message.t);
        view?.receiveFrame(message);
        return;
      default:
        message satisfies never;
    }
  }

  /** What came of a view is not the protocol: the view lacks what was in it. */
  unreadable(view: string, why: string): void {
    this.named(view)?.resubscribe(new LayoutError(why));
  }

  /** A frame of a view. If it cannot be read, the view lacks what was in it. @param observe takes the time of a frame of what is now, Unix ms @returns what is wrong, if that is of no view */
  receiveBinary(frame: DataView, observe: (t: number) => void): LayoutError | undefined {
    let head: FrameHead;
    try {
      head = readFrameHead(frame);
    } catch (error) {
      if (!(error instanceof LayoutError)) throw error;
      const hurt = this.#numbered(viewNumber(frame));
      hurt?.resubscribe(error);
      return hurt === undefined ? error : undefined;
    }
    const view = this.#numbered(head.view);
    if (view?.isLive === true) observe(head.t);
    view?.receiveBinary(frame, head);
    return undefined;
  }

  /** Sends what a view asks. If that cannot be sent, it is refused as if the server had done so. @param send throws `MessageNotSendable` @returns false if there is no connection */
  send(message: Parameters<ViewLink["send"]>[0], send: ViewLink["send"]): boolean {
    try {
      return send(message);
    } catch (error) {
      if (!(error instanceof MessageNotSendable)) throw error;
      this.named(message.view)?.refused(error, true);
      return true;
    }
  }

  #numbered(number: number): View | undefined {
    const name = this.#names.get(number);
    return name === undefined ? undefined : this.#views.get(name);
  }
}
