/** What waits in the router for its turn, and for the commit of what was decided of it. */
import type { Verdict } from "./group-commit.ts";
import {
  type CommandResult,
  type IngestResult,
  MOVED,
  type PlacedResult,
  type Report,
  type Request,
} from "./messages.ts";
import { shardOf } from "./shard-hash.ts";

const RELOADED = "the shard was reloaded before this was stored: send it again";
const NOT_STORABLE = "the store refuses this data";

export interface QueuedReports {
  reports: readonly Report[];
  /** By report: the epoch of its shard; absent = whatever it is. */
  epochs: Uint32Array | undefined;
  /** Reports decided so far. */
  next: number;
  /** Decided, and not joined to a batch of the commit yet: from here to `next`. */
  joined: number;
  /** Batches of the commit that it waits for. */
  waiting: number;
  result: IngestResult;
  moved: number[];
  resolve(result: IngestResult & Partial<PlacedResult>): void;
}

/** A command that waits for its turn among the reports. */
export interface QueuedCommand {
  command: Request;
  /** Of its shard; absent = whatever it is. */
  epoch: number | undefined;
  resolve(result: CommandResult | typeof MOVED): void;
}

/** The answer to a command, of which what was decided may not be durable after all. */
export function settledCommand(
  { entity }: Request,
  epoch: QueuedCommand["epoch"],
  result: CommandResult | typeof MOVED,
  verdict: Verdict | "committed",
): CommandResult | typeof MOVED {
  if (verdict === "committed") return result;
  const type = verdict.refusal(shardOf(entity), entity);
  if (type === undefined || result === MOVED) return result;
  if (type !== "retry") return { accepted: false, type: "not-storable", detail: NOT_STORABLE };
  return epoch === undefined ? { accepted: false, type, detail: RELOADED } : MOVED;
}

/** Refuses what was accepted of reports [from, to) and is not durable after all. */
export function withdrawReports(entry: QueuedReports, from: number, to: number, verdict: Verdict): void {
  const { result } = entry;
  const refused = new Set([...result.refused.map((refusal) => refusal.index), ...entry.moved]);
  for (let index = from; index < to; index++) {
    if (refused.has(index)) continue;
    const { id } = entry.reports[index]!;
    const type = verdict.refusal(shardOf(id), id);
    if (type === undefined) continue;
    result.accepted -= 1;
    if (type === "retry" && entry.epochs !== undefined) {
      entry.moved.push(index);
      continue;
    }
    result.refused.push({ index, type, detail: type === "retry" ? RELOADED : NOT_STORABLE });
  }
}
