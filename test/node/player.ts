/** A client that watches what was, over a real connection, and follows the protocol to the letter. */
import assert from "node:assert/strict";
import {
  type Departure,
  type ErrorMessage,
  type FullRecord,
  type Playback,
  PROTOCOL_BINARY,
  type ServerMessage,
  type Subscribe,
  type Update,
} from "../../src/transport/feed/protocol.ts";
import { FrameDecoder } from "../feed/frame-decoder.ts";
import { Replica } from "../feed/harness.ts";
import { type Serving, TOKEN } from "../support/serve.ts";

/** A busy machine takes a while. */
const PATIENCE_MS = 60_000;

export class Player {
  readonly replicas = new Map<string, Replica>();
  readonly playbacks: Playback[] = [];
  readonly errors: ErrorMessage[] = [];
  /** What went in which frame, and did not come again in it. */
  readonly departures: { t: string; departures: Departure[] }[] = [];
  /** The times of all frames of views. */
  readonly times: string[] = [];
  readonly #socket: WebSocket;
  readonly #decoder = new FrameDecoder();
  readonly #waiting = new Set<() => void>();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      const message =
        typeof data === "string"
          ? (JSON.parse(data) as ServerMessage)
          : this.#decoder.frame(new Uint8Array(data as ArrayBuffer));
      this.#take(message);
      for (const look of this.#waiting) look();
    };
  }

  static async connect({ url }: Pick<Serving, "url">, protocol: string): Promise<Player> {
    const socket = new WebSocket(`${url.replace("http", "ws")}/v1/feed?token=${TOKEN}`, protocol);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    assert.equal(socket.protocol, protocol);
    return new Player(socket);
  }

  #take(message: ServerMessage): void {
    switch (message.op) {
      case "view":
        if (this.#socket.protocol === PROTOCOL_BINARY) this.#decoder.view(message);
        break;
      case "snapshot":
      case "delta":
      case "clusters":
        this.times.push(message.t);
        if (message.op === "delta") {
          const { t, updates } = message;
          const here = new Set(updates.map(({ id }) => id));
          this.departures.push({ t, departures: message.departures.filter(([id]) => !here.has(id)) });
        }
        this.replicas.get(message.view)?.apply(message);
        break;
      case "playback":
        this.playbacks.push(message);
        break;
      case "error":
        this.errors.push(message);
        break;
      default:
    }
  }

  open(view: string, options: Omit<Subscribe, "op" | "view">): Replica {
    const replica = new Replica(options);
    this.replicas.set(view, replica);
    this.send({ op: "subscribe", view, ...options });
    return replica;
  }

  update(view: string, change: Omit<Update, "op" | "view">): void {
    this.send({ op: "update", view, ...change });
  }

  unsubscribe(view: string): void {
    this.replicas.delete(view);
    this.send({ op: "unsubscribe", view });
  }

  send(message: object): void {
    this.#socket.send(JSON.stringify(message));
  }

  /** Resolves when `found` gives something, which is looked for after each message. */
  until<T>(found: () => T | undefined | false): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(
          new Error(`nothing came: ${JSON.stringify([this.playbacks.slice(-3), this.errors.slice(-3)])}`),
        );
      }, PATIENCE_MS);
      const look = () => {
        const result = found();
        if (result === undefined || result === false) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(result);
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** The next message about a playback in one of these states. */
  next(...states: Playback["state"][]): Promise<Playback> {
    const from = this.playbacks.length;
    return this.until(() => this.playbacks.slice(from).find(({ state }) => states.includes(state)));
  }

  close(): void {
    this.#socket.close();
  }
}

/** What a client knows of an entity, as REST tells it of one that was. */
export function thenOf({
  id,
  kind,
  state,
  t,
  lon,
  lat,
  alt,
  speed,
  course,
  attributes,
  labels,
  fences,
}: FullRecord) {
  return { id, kind, state, t, lon, lat, alt, speed, course, attributes, labels, fences };
}

/** `GET /v1/entities?datetime=`, all pages. */
export async function getThen({ url, headers }: Serving, t: string): Promise<FullRecord[]> {
  const records: FullRecord[] = [];
  for (let path: string | undefined = `/v1/entities?datetime=${t}&limit=1000`; path !== undefined; ) {
    const response: Response = await fetch(`${url}${path}`, { headers });
    assert.equal(response.status, 200);
    const body = (await response.json()) as {
      features: { id: string; geometry: { coordinates: [number, number] }; properties: object }[];
      links: { rel: string; href: string }[];
    };
    for (const { id, geometry, properties } of body.features) {
      const [lon, lat] = geometry.coordinates;
      records.push({ id, lon, lat, ...properties } as FullRecord);
    }
    path = body.links.find(({ rel }) => rel === "next")?.href;
  }
  return records;
}
