/** Reports as JSON over HTTP keep-alive connections: `POST /v1/reports`. */
import { Agent, request } from "node:http";
import type { ReportBatches } from "./report-batches.ts";
import type { ReportRoute } from "./report-client.ts";

export class HttpReports implements ReportRoute {
  readonly #server: { url: string; token: string };
  readonly batches: ReportBatches;
  readonly #agent: Agent;

  constructor(server: { url: string; token: string }, batches: ReportBatches, connections: number) {
    this.#server = server;
    this.batches = batches;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  close(): void {
    this.#agent.destroy();
  }

  async post(now: number): Promise<number> {
    const { status, text } = await this.#exchange(this.batches.next(now));
    if (status !== 200) throw new Error(`POST /v1/reports answered ${status}: ${text}`);
    const { accepted } = JSON.parse(text) as { accepted: number };
    if (accepted !== this.batches.batchSize) throw new Error(`reports were refused: ${text.slice(0, 500)}`);
    return accepted;
  }

  #exchange(body: Buffer): Promise<{ status: number; text: string }> {
    const { url, token } = this.#server;
    return new Promise((resolve, reject) => {
      const outgoing = request(`${url}/v1/reports`, {
        method: "POST",
        agent: this.#agent,
        headers: {
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          "content-length": body.length,
        },
      });
      outgoing.once("error", reject);
      outgoing.once("response", (incoming) => {
        let text = "";
        incoming.setEncoding("utf8");
        incoming.on("data", (part: string) => {
          text += part;
        });
        incoming.once("error", reject);
        incoming.once("end", () => resolve({ status: incoming.statusCode ?? 0, text }));
      });
      outgoing.end(body);
    });
  }
}
