/** A WebSocket and a clock that a test moves by hand. Frames are literal. */
import type { ClientClock } from "../../client/clock.ts";

export class ManualClock implements ClientClock {
  time = 0;
  #timers: { at: number; fire: () => void }[] = [];

  now(): number {
    return this.time;
  }
  /** A device whose clock is wrong. */
  unix(): number {
    return 1_000_000 + this.time;
  }
  schedule(delay: number, fire: () => void): () => void {
    const timer = { at: this.time + delay, fire };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
  get pending(): number {
    return this.#timers.length;
  }
  /** Fires what is due on the way, in order. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.time = Math.max(this.time, next.at);
      next.fire();
    }
    this.time = end;
  }
}

/** What the client sees of a socket, and what a server would do with it. */
export class ScriptedSocket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  readonly url: string;
  readonly protocols: string[];
  /** What the server chose. */
  protocol = "";
  binaryType = "blob";
  sent: (string | Uint8Array)[] = [];
  closedWith: number | undefined;

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
  }
  send(message: string | Uint8Array): void {
    this.sent.push(message);
  }
  close(code: number): void {
    this.closedWith = code;
  }

  open(protocol = "muster.v1.json"): void {
    this.protocol = protocol;
    this.onopen?.();
  }
  /** Texts, messages and binary frames. */
  receive(...frames: (object | string | Uint8Array<ArrayBuffer>)[]): void {
    for (const frame of frames) this.onmessage?.({ data: dataOf(frame) });
  }
  break(code = 1006, reason = ""): void {
    this.onclose?.({ code, reason });
  }
  /** What the client sent since the last call: messages, and bytes as they are. */
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at any message by its members
  take(): any[] {
    const taken = this.sent.map((message) => (typeof message === "string" ? JSON.parse(message) : message));
    this.sent = [];
    return taken;
  }
}

function dataOf(frame: object | string | Uint8Array<ArrayBuffer>): string | ArrayBuffer {
  if (typeof frame === "string") return frame;
  return frame instanceof Uint8Array ? frame.buffer : JSON.stringify(frame);
}

/** Everything a test of the SDK needs: `options` go to `connect`, `sockets` are those it opened, in order. */
export function script() {
  const sockets: ScriptedSocket[] = [];
  const clock = new ManualClock();
  class Socket extends ScriptedSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  const options = {
    WebSocket: Socket as unknown as typeof WebSocket,
    clock,
    random: () => 0.5,
    reconnect: { minMs: 100, maxMs: 1_000 },
  };
  return { sockets, clock, options, last: () => sockets[sockets.length - 1] };
}

/** A full record; `more` overrides. */
export function full(id: string, lon: number, lat: number, more: object = {}) {
  return {
    id,
    kind: "vessel",
    state: "online.moving",
    liveness: "live",
    t: "2024-06-06T08:00:00.000Z",
    received: "2024-06-06T08:00:00.100Z",
    lon,
    lat,
    attributes: {},
    labels: [],
    fences: [],
    epoch: 1,
    seq: 1,
    ...more,
  };
}
