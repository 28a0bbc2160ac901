/**
 * The viewers of a benchmark, all in one process. Started with an IPC channel; see `ToViewers` and `FromViewers`.
 */
import type { Socket } from "node:net";
import {
  type Bbox,
  PROTOCOL_BINARY,
  PROTOCOL_JSON,
  type Rate,
  type Subscribe,
} from "../src/transport/feed/protocol.ts";
import { AgeCounter } from "./age-counter.ts";
import { BinaryCounter } from "./binary-counter.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { Histogram } from "./histogram.ts";
import { JsonCounter } from "./json-counter.ts";
import { openPeer, type PeerName } from "./peers/viewer.ts";
import { type Expected, type TickCount, type TickCounts, ViewCounter } from "./view-counter.ts";
import { openWebSocket, textFrame } from "./web-socket.ts";

export type Protocol = "json" | "bin";

interface Viewing {
  url: string;
  token: string;
}
/** Viewers of Muster, one box each. */
export interface WatchFeed extends Viewing {
  of: "feed";
  protocol: Protocol;
  bboxes: readonly Bbox[];
  rate: Rate;
  /** More entities than this in a box become clusters. */
  max: number;
  expected: Expected;
  /** Decode each frame whole, too, and fail where something is wrong. */
  verify: boolean;
  /** Measure how old each record is. Its reports are so far apart, ms. Only in `bin`. */
  reportEachMs?: number;
}
/** Viewers of another server, with their tiles. */
export interface WatchPeer extends Viewing {
  of: PeerName;
  tiles: readonly (readonly string[])[];
}
export type Watch = WatchFeed | WatchPeer;

export type ToViewers = { is: "start"; watch: Watch } | { is: "count" } | { is: "forget-ages" };
export type FromViewers =
  /** All snapshots are complete; of peers, all have asked for their tiles. */
  | { is: "ready" }
  /** The first delta of a tick has begun to arrive. */
  | { is: "tick"; tick: number }
  | ({ is: "counts" } & CountsMessage);
/** The answer to `count`. */
export interface CountsMessage {
  /** Peers have no ticks: all is under 0. */
  ticks: [tick: number, count: TickCount][];
  /** Snapshots beyond the first of each viewer. */
  restarts: number;
  /** Of this process so far. */
  cpuS: number;
  /** Of what was received since the ages were forgotten, ms; see `Histogram.toJSON`. */
  ages: [value: number, count: number][];
}

/** Viewers that connect at the same time. */
const CONNECTING = 50;

const ticks: TickCounts = new Map();
let ages = new Histogram();
let viewers = 0;
let complete = 0;
let lastTick = 0;

async function start(watch: Watch): Promise<void> {
  const places = watch.of === "feed" ? watch.bboxes : watch.tiles;
  viewers = places.length;
  for (let first = 0; first < viewers; first += CONNECTING) {
    const group = places.slice(first, first + CONNECTING).map((_, i) => view(watch, first + i));
    await Promise.all(group);
  }
  if (watch.of !== "feed") tell({ is: "ready" });
}

function view(watch: Watch, index: number): Promise<unknown> {
  if (watch.of === "feed") return openFeed(watch, index);
  const total = ticks.get(0) ?? { frames: 0, records: 0, bytes: 0 };
  ticks.set(0, total);
  return openPeer(watch.of, watch.url, index, watch.tiles[index], total, ended);
}

async function openFeed(watch: WatchFeed, index: number): Promise<Socket> {
  const { url, token, protocol, rate, max } = watch;
  const reader = new FrameReader(sinkOf(watch));
  const upgrade = {
    ...{ url, token, path: "/v1/feed" },
    protocol: protocol === "bin" ? PROTOCOL_BINARY : PROTOCOL_JSON,
  };
  const socket = await openWebSocket(upgrade, index, (chunk) => reader.push(chunk), ended);
  const subscribe: Subscribe = { op: "subscribe", view: "v", bbox: watch.bboxes[index], rate, max };
  socket.write(textFrame(JSON.stringify(subscribe)));
  return socket;
}

function sinkOf({ protocol, expected, verify, reportEachMs }: WatchFeed): FrameSink {
  const counter = new ViewCounter(ticks, events, expected);
  if (reportEachMs !== undefined) return new AgeCounter(counter, () => ages, reportEachMs);
  return protocol === "bin" ? new BinaryCounter(counter, verify) : new JsonCounter(counter, verify);
}

const events = {
  complete() {
    complete += 1;
    if (complete === viewers) tell({ is: "ready" });
  },
  delta(tick: number) {
    if (tick <= lastTick) return;
    lastTick = tick;
    tell({ is: "tick", tick });
  },
};

function ended(): void {
  throw new Error("a viewer's socket ended before the benchmark did");
}

function tell(message: FromViewers): void {
  process.send!(message);
}

process.on("message", (message: ToViewers) => {
  switch (message.is) {
    case "start":
      void start(message.watch);
      break;
    case "forget-ages":
      ages = new Histogram();
      break;
    case "count": {
      const { user, system } = process.cpuUsage();
      const cpuS = (user + system) / 1e6;
      tell({ is: "counts", ticks: [...ticks], restarts: complete - viewers, cpuS, ages: ages.toJSON() });
      break;
    }
    default:
      message satisfies never;
  }
});
process.once("disconnect", () => process.exit());
