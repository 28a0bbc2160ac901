/** The ways by which commands get to a node. */
import { connect } from "../client/connection.ts";
import { COMMAND_REFUSALS, type CommandRefusalType, type CommandResult } from "../src/actors/messages.ts";
import type { Target } from "./senders.ts";

export interface CommandWay {
  /** Name of the node. */
  readonly to: string;
  /** Resolves to the answer. Rejects if there will be none: then what became of the command is unknown. */
  ask(entity: string, name: string, id: string): Promise<CommandResult>;
  close(): void;
}

/** Shorter than nodes wait for each other: who gave up asks again elsewhere while the first is still on its way. */
const HTTP_TIMEOUT_MS = 3_000;
const URN = "urn:muster:problem:";

/** The SDK, on one node: what the connection loses is asked again on the next by itself. */
export function feedWay({ name: to, url }: Target, token: string): CommandWay {
  const connection = connect(url, { token, reconnect: { minMs: 100, maxMs: 1_000 } });
  return {
    to,
    ask: (entity, name, id) => connection.command(entity, name, undefined, { id }),
    close: () => connection.close(),
  };
}

/** `POST /v1/entities/{id}/commands`. */
export function httpWay({ name: to, url }: Target, token: string): CommandWay {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const ended = new AbortController();
  return {
    to,
    async ask(entity, name, id) {
      const response = await fetch(`${url}/v1/entities/${encodeURIComponent(entity)}/commands`, {
        ...{ method: "POST", headers, body: JSON.stringify({ id, name }) },
        signal: AbortSignal.any([ended.signal, AbortSignal.timeout(HTTP_TIMEOUT_MS)]),
      });
      const body = await response.json();
      if (response.ok) return body as CommandResult;
      const { type, detail } = body as { type: string; detail: string };
      const refusal = type.slice(URN.length);
      // Other problems say nothing about the command.
      if (!Object.hasOwn(COMMAND_REFUSALS, refusal)) throw new Error(`status ${response.status}`);
      return { accepted: false, type: refusal as CommandRefusalType, detail };
    },
    close: () => ended.abort(),
  };
}
