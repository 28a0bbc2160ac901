/** An endpoint that keeps what it gets and answers as it is told. */
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Test } from "tap";
import type { CloudEvent } from "../../src/events/cloud-event.ts";

export interface Received {
  headers: IncomingHttpHeaders;
  body: string;
  event: CloudEvent;
}
export interface Answer {
  status: number;
  headers?: Record<string, string>;
}

export class Receiver {
  readonly received: Received[] = [];
  /** Those that were answered with 2xx, by `data.n`. */
  readonly taken: unknown[] = [];
  /** By default all is taken. */
  answer: (request: Received) => Answer | Promise<Answer> = () => ({ status: 204 });
  readonly #server: Server;

  private constructor() {
    this.#server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      const received = { headers: request.headers, body, event: JSON.parse(body) as CloudEvent };
      this.received.push(received);
      const { status, headers } = await this.answer(received);
      if (status >= 200 && status < 300) this.taken.push(received.event.data.n);
      response.writeHead(status, headers).end("thank you");
    });
  }

  static async start(t: Test): Promise<Receiver> {
    const receiver = new Receiver();
    await new Promise<void>((resolve) => receiver.#server.listen(0, "127.0.0.1", resolve));
    t.teardown(() => {
      receiver.#server.close();
      receiver.#server.closeAllConnections();
    });
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`;
  }

  /** By subject, what was asked for in order. */
  get attempts(): Record<string, unknown[]> {
    const bySubject: Record<string, unknown[]> = {};
    for (const { event } of this.received) {
      bySubject[event.subject] ??= [];
      bySubject[event.subject]!.push(event.data.n);
    }
    return bySubject;
  }
}
