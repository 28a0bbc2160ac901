import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * `pass`: as if it were not there.
 * `stall`: bytes are taken and held back both ways, and arrive later, all of them: a network that is gone for a while.
 * `half-open`: bytes are taken and thrown away, and so are the connections when the link is mended: a peer that vanished without a word.
 */
export type LinkMode = "pass" | "stall" | "half-open";

interface Pair {
  client: Socket;
  server: Socket;
  /** Bytes were thrown away: it can never go on. */
  hurt: boolean;
}

/** A TCP proxy between a client and a server that can be told to behave badly. */
export class FaultyLink {
  readonly #server: Server;
  readonly #target: URL;
  readonly #pairs = new Set<Pair>();
  #mode: LinkMode = "pass";
  #delayMs = 0;
  /** Bytes held back, in order. */
  readonly #held: (() => void)[] = [];
  /** Bytes under way, in order, and when they arrive: a smaller delay does not overtake. */
  readonly #late: { due: number; deliver: () => void }[] = [];

  private constructor(target: URL) {
    this.#target = target;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(target: string): Promise<FaultyLink> {
    const link = new FaultyLink(new URL(target));
    link.#server.listen(0, "127.0.0.1");
    await once(link.#server, "listening");
    return link;
  }

  /** The target's URL by way of this. */
  get url(): string {
    const url = new URL(this.#target);
    url.hostname = "127.0.0.1";
    url.port = String((this.#server.address() as { port: number }).port);
    return url.href;
  }

  set mode(mode: LinkMode) {
    this.#mode = mode;
    if (mode === "half-open") return;
    for (const pair of this.#pairs) if (pair.hurt) destroy(pair);
    if (mode === "pass") for (const deliver of this.#held.splice(0)) deliver();
  }

  /** From now on bytes take so much longer, each way. 0 = no longer than they must. */
  set delayMs(delayMs: number) {
    this.#delayMs = delayMs;
  }

  /** Ends all connections, without a goodbye. */
  cut(): void {
    for (const pair of this.#pairs) destroy(pair);
  }

  async stop(): Promise<void> {
    this.#held.length = 0;
    this.#late.length = 0;
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    const pair: Pair = { client, server, hurt: false };
    this.#pairs.add(pair);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      // The other end tells the one that asks.
      socket.on("error", () => {});
      socket.on("close", () => this.#carry(pair, () => this.#end(pair)));
    }
    client.on("data", (chunk) => this.#carry(pair, () => server.write(chunk)));
    server.on("data", (chunk) => this.#carry(pair, () => client.write(chunk)));
  }

  /** That one end has closed is news that travels like bytes. */
  #end(pair: Pair): void {
    this.#pairs.delete(pair);
    destroy(pair);
  }

  #carry(pair: Pair, deliver: () => void): void {
    if (this.#mode === "half-open") {
      pair.hurt = true;
    } else if (this.#mode === "stall" || this.#held.length > 0) {
      this.#held.push(deliver);
    } else if (this.#delayMs > 0 || this.#late.length > 0) {
      this.#late.push({ due: performance.now() + this.#delayMs, deliver });
      if (this.#late.length === 1) setTimeout(() => this.#arrive(), this.#delayMs);
    } else deliver();
  }

  /** Timers of different lengths may fire in another order than they are due: there is one at a time. */
  #arrive(): void {
    const now = performance.now();
    while (this.#late.length > 0 && this.#late[0].due <= now) this.#late.shift()!.deliver();
    if (this.#late.length > 0) setTimeout(() => this.#arrive(), Math.max(1, this.#late[0].due - now));
  }
}

function destroy({ client, server }: Pair): void {
  for (const socket of [client, server]) {
    // A reset of a socket that is being shut down fails, and leaves its handle open for ever.
    if (socket.writableEnded || socket.readableEnded) socket.destroy();
    else socket.resetAndDestroy();
  }
}
