import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Test } from "tap";

/** Between a client and a server: passes bytes on, cuts connections, or goes silent as a network does. */
export class CutProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** May become another one; connections that are there stay. */
  target: URL;
  /** `pass` = as if it were not there; `refuse` = connections end at once; `silent` = bytes are taken and nothing comes back. */
  mode: "pass" | "refuse" | "silent" = "pass";
  /** Connections that were refused. */
  refused = 0;
  /** Goes silent when a client says something with this in it. */
  silentAt: string | undefined;

  private constructor(target: URL) {
    this.target = target;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(t: Test, target: string): Promise<CutProxy> {
    const proxy = new CutProxy(new URL(target));
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    t.teardown(() => proxy.#stop());
    return proxy;
  }

  /** The target's URL by way of this. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = "127.0.0.1";
    url.port = String((this.#server.address() as { port: number }).port);
    return url.href;
  }

  /** Ends all connections, without a goodbye. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  #accept(client: Socket): void {
    if (this.mode === "refuse") {
      this.refused++;
      client.resetAndDestroy();
      return;
    }
    const server = connect(Number(this.target.port), this.target.hostname);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      // The other end tells the one that asks.
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.on("data", (chunk) => {
      if (this.silentAt !== undefined && chunk.includes(this.silentAt)) this.mode = "silent";
      if (this.mode !== "silent") server.write(chunk);
    });
    server.on("data", (chunk) => {
      if (this.mode !== "silent") client.write(chunk);
    });
  }

  async #stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }
}
