/** The ways by which reports get to a node. */
import { connect } from "../client/connection.ts";
import { REFUSALS, type RefusalType } from "../src/actors/messages.ts";
import type { Reported } from "./fleet.ts";
import { pick, type Random } from "./random.ts";

/** `again`: the same report may be taken later. */
export type Refused = [index: number, type: string, again: boolean];

export interface Sender {
  /** Whether reports may have what only JSON carries. */
  readonly whole: boolean;
  /** Where the next batch goes: the name of a node. */
  next(): string;
  /** Resolves to the answer. Rejects if there will be none: then what became of the batch is unknown. */
  send(to: string, reports: readonly Reported[]): Promise<Refused[]>;
  close(): void;
}

export interface Target {
  name: string;
  url: string;
}

/** Shorter than a paused node sleeps: when it wakes it takes what was taken elsewhere meanwhile, and must know it again. */
const HTTP_TIMEOUT_MS = 3_000;

/**
 * The SDK, on one node: batches are binary, and what the connection loses is sent again on the next by itself, so that a call is answered sooner or
 * later. Without numbers of the source a node knows the last 8 reports of an entity again: no more may be under way.
 */
export function feedSender({ name, url }: Target, token: string): Sender {
  const connection = connect(url, { token, reconnect: { minMs: 100, maxMs: 1_000 } });
  return {
    whole: false,
    next: () => name,
    async send(_, reports) {
      const { refused } = await connection.report(reports);
      return refused.map(({ index, type }) => [index, type, mayRepeat(type)]);
    },
    close: () => connection.close(),
  };
}

/** `POST /v1/reports`, each time to another node. */
export function httpSender(targets: readonly Target[], token: string, random: Random): Sender {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const urls = new Map(targets.map(({ name, url }) => [name, url]));
  const ended = new AbortController();
  return {
    whole: true,
    next: () => pick(random, targets).name,
    async send(to, reports) {
      const response = await fetch(`${urls.get(to)}/v1/reports`, {
        ...{ method: "POST", headers, body: JSON.stringify(reports) },
        signal: AbortSignal.any([ended.signal, AbortSignal.timeout(HTTP_TIMEOUT_MS)]),
      });
      const body = await response.text();
      if (!response.ok) throw new Error(`status ${response.status}`);
      const answer = JSON.parse(body) as { refused: { index: number; type: RefusalType }[] };
      return answer.refused.map(({ index, type }) => [index, type, mayRepeat(type)]);
    },
    close: () => ended.abort(),
  };
}

function mayRepeat(type: RefusalType): boolean {
  return REFUSALS[type].retry;
}
