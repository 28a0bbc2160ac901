/**
 * Sends webhooks by HTTP. A name is resolved once (`names.ts`) and the connection goes to an address that was looked at, so that a name cannot be
 * allowed as one and connected to as another. Redirects are not followed: they are failures.
 */
import type { lookup } from "node:dns";
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";
import type { Clock } from "../../clock.ts";
import { WEBHOOK_TIMEOUT_MS } from "../../webhooks/limits.ts";
import type { Outcome, OutgoingRequest, WebhookSender } from "../../webhooks/ports.ts";
import { Names } from "./names.ts";
import { isPrivateHost, isPublicAddress } from "./public-address.ts";

/** What an endpoint answers beside its status is of no interest; so much of it is read, for so long, to use the connection again. */
const MAX_ANSWER_BYTES = 65_536;
const MAX_ANSWER_MS = 500;
const PRIVATE = "the address is private, local or reserved: set MUSTER_WEBHOOK_PRIVATE=true if it is meant";

export interface HttpSenderOptions {
  clock: Clock;
  /** Also to addresses that only this machine or its networks reach. */
  allowPrivate: boolean;
  /** Default: the system's. */
  resolve?: typeof lookup;
  /** Default `WEBHOOK_TIMEOUT_MS`. */
  timeoutMs?: number;
}

export class HttpSender implements WebhookSender, Disposable {
  readonly #options: HttpSenderOptions;
  readonly #names: Names;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;

  constructor(options: HttpSenderOptions) {
    this.#options = options;
    this.#names = new Names({ timeoutMs: WEBHOOK_TIMEOUT_MS, ...options });
    // Without a limit of sockets: each webhook has no more requests than its own at once, and none waits for those of others.
    const agent = { keepAlive: true, lookup: this.#lookup };
    this.#http = new HttpAgent(agent);
    this.#https = new HttpsAgent(agent);
  }

  send({ url, headers, body }: OutgoingRequest): Promise<Outcome> {
    const { clock, allowPrivate, timeoutMs = WEBHOOK_TIMEOUT_MS } = this.#options;
    const target = new URL(url);
    // The resolver is not asked for what is an address already.
    if (!allowPrivate && isPrivateHost(target.hostname)) return Promise.resolve({ error: PRIVATE });
    return new Promise((resolve) => {
      const isTls = target.protocol === "https:";
      const options = { method: "POST", headers: { ...headers, "content-length": Buffer.byteLength(body) } };
      const request: ClientRequest = isTls
        ? httpsRequest(target, { ...options, agent: this.#https })
        : httpRequest(target, { ...options, agent: this.#http });
      let outcome: Outcome = { error: "the connection ended without an answer" };
      // Resolved here also, whether or not the request notices.
      const cut = () => {
        resolve(outcome);
        request.destroy();
      };
      const end = clock.monotonic() + timeoutMs;
      let cancel = clock.schedule(timeoutMs, () => {
        outcome = { error: `no answer within ${timeoutMs} ms` };
        cut();
      });
      request.on("close", () => {
        cancel();
        resolve(outcome);
      });
      request.on("error", ({ message }) => {
        if (outcome.status === undefined) outcome = { error: message };
        resolve(outcome);
      });
      request.on("upgrade", ({ statusCode }, socket) => {
        resolve({ status: statusCode });
        socket.destroy();
      });
      request.on("response", (response) => {
        const { statusCode: status, headers } = response;
        outcome = { status, retryAfterMs: retryAfter(headers["retry-after"], clock.now()) };
        cancel();
        cancel = clock.schedule(Math.min(MAX_ANSWER_MS, Math.max(end - clock.monotonic(), 0)), cut);
        discard(response, cut);
      });
      request.end(body);
    });
  }

  [Symbol.dispose](): void {
    this.#http.destroy();
    this.#https.destroy();
    this.#names[Symbol.dispose]();
  }

  readonly #lookup: LookupFunction = (hostname, options, callback) => {
    const { allowPrivate } = this.#options;
    this.#names.find(hostname, (error, addresses) => {
      if (error !== null) return callback(error, []);
      const allowed = addresses.filter(({ address }) => allowPrivate || isPublicAddress(address));
      const [first] = allowed;
      if (first === undefined) return callback(new Error(PRIVATE), []);
      if (options.all === true) return callback(null, allowed);
      callback(null, first.address, first.family);
    });
  };
}

function discard(response: IncomingMessage, cut: () => void): void {
  let bytes = 0;
  response.on("error", () => {});
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) cut();
  });
}

/** What an HTTP-date of RFC 9110, 5.6.7, looks like, of all three kinds: `Date.parse` also takes numbers and much else for dates. */
const HTTP_DATE =
  /^(\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT|\w{6,9}, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT|\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})$/;

/** RFC 9110, 10.2.3: seconds, also with a fraction as some servers have it, or a date. @param now Unix ms. @returns ms from now, `undefined` if there is none that can be read. */
export function retryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}(\.\d+)?$/.test(header)) return Number(header) * 1_000;
  if (!HTTP_DATE.test(header)) return undefined;
  const date = Date.parse(header.endsWith("GMT") ? header : `${header} GMT`);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
