/** Viewers, and how what they have at rest is compared with what REST answers. */
import { type Connection, connect } from "../client/connection.ts";
import type { Entity } from "../client/replica.ts";
import type { View } from "../client/view.ts";
import type { FullRecord } from "../src/transport/feed/protocol.ts";
import type { HistoryWriter } from "./history-writer.ts";
import type { Target } from "./senders.ts";

type Box = [number, number, number, number];

export interface Viewer {
  /** Unique in the history. */
  readonly name: string;
  readonly box: Box;
  readonly live: boolean;
  /** What is in its box, in a form to compare. */
  picture(): Record<string, string>;
  close(): void;
}

/** Opens a view of a box on a node, and writes down what it sees. */
export function openViewer(
  name: string,
  { url }: Target,
  token: string,
  box: Box,
  history: HistoryWriter,
): Viewer {
  const connection: Connection = connect(url, { token, reconnect: { minMs: 100, maxMs: 1_000 } });
  const view: View = connection.view({ bbox: box });
  view.on("change", ({ added, updated }) => {
    const entities = [...added, ...updated].map((id): [string, number, number, number] => {
      const { alt = 0, epoch, seq } = view.entities.get(id)!;
      return [id, alt, epoch, seq];
    });
    if (entities.length > 0) history.write({ is: "seen", at: Date.now(), by: name, entities });
  });
  return {
    name,
    box,
    get live() {
      return view.state === "live";
    },
    picture: () => Object.fromEntries(view.inBox().map((entity) => [entity.id, comparable(entity)])),
    close: () => connection.close(),
  };
}

/** What does not change without a message to viewers: `received`, `epoch` and `seq` are not in small records of moves. */
export function comparable(entity: Entity | Partial<FullRecord>): string {
  const { kind, state, liveness, t, source, lon, lat, alt, speed, course, heading, accuracy, attributes } =
    entity;
  const motion = { t, lon, lat, alt, speed, course, heading, accuracy };
  return JSON.stringify({ kind, state, liveness, source, ...motion, attributes });
}
