/** Viewers of the peers, each on a raw socket as Muster's are: they ask for their tiles and count the records that come. */
import { FrameReader, type FrameSink, TEXT_FRAME } from "../frame-reader.ts";
import type { TickCount } from "../view-counter.ts";
import { openSocket, openWebSocket, textFrame } from "../web-socket.ts";
import { NatsReader } from "./nats-reader.ts";
import { RECORD_BYTES } from "./tiled-fleet.ts";

export type PeerName = "ws" | "socketio" | "nats";

/** Engine.IO 4, and within it Socket.IO 5: a digit each for the kind of a packet. */
const ENGINE_OPEN = "0";
const ENGINE_PING = "2";
const ENGINE_PONG = "3";
const IO_CONNECT = "40";
const IO_EVENT = "42";

/**
 * Opens a viewer. Resolves when the server has its tiles.
 * @param tiles their names; of NATS, subjects
 * @param total what came, of all viewers together
 */
export async function openPeer(
  peer: PeerName,
  url: string,
  index: number,
  tiles: readonly string[],
  total: TickCount,
  ended: () => void,
): Promise<void> {
  const ready = Promise.withResolvers<void>();
  if (peer === "nats") {
    const reader = new NatsReader(total, (text) => {
      if (text.startsWith("PING")) socket.write("PONG\r\n");
      else if (text.startsWith("PONG")) ready.resolve();
      else if (text.startsWith("-ERR")) throw new Error(`NATS answered ${text}`);
    });
    const subjects = tiles.map((subject, i) => `SUB ${subject} ${i + 1}\r\n`);
    const hello = `CONNECT {"verbose":false,"pedantic":false}\r\n${subjects.join("")}PING\r\n`;
    const socket = await openSocket(new URL(url), index, hello, (chunk) => reader.push(chunk), ended);
    return ready.promise;
  }
  const isPlain = peer === "ws";
  const sink = new RecordsAndTexts(total, (text) => {
    const say = (answer: string) => setImmediate(() => socket.write(textFrame(answer)));
    if (isPlain) ready.resolve();
    else if (text.startsWith(ENGINE_OPEN)) say(IO_CONNECT);
    else if (text.startsWith(IO_CONNECT)) say(`${IO_EVENT}${JSON.stringify(["watch", tiles])}`);
    else if (text.startsWith(IO_EVENT)) ready.resolve();
    else if (text === ENGINE_PING) say(ENGINE_PONG);
  });
  const reader = new FrameReader(sink);
  const path = isPlain ? "/" : "/socket.io/?EIO=4&transport=websocket";
  const socket = await openWebSocket({ url, path }, index, (chunk) => reader.push(chunk), ended);
  if (isPlain) socket.write(textFrame(JSON.stringify(tiles)));
  return ready.promise;
}

/** Binary messages are records. Of texts the beginning is told. */
class RecordsAndTexts implements FrameSink {
  readonly #total: TickCount;
  readonly #told: (text: string) => void;
  #isText = false;
  #text = "";

  constructor(total: TickCount, told: (text: string) => void) {
    this.#total = total;
    this.#told = told;
  }

  begin(kind: number, length: number): void {
    this.#isText = kind === TEXT_FRAME;
    this.#text = "";
    this.#total.frames += 1;
    this.#total.bytes += length;
    if (!this.#isText) this.#total.records += length / RECORD_BYTES;
  }

  payload(part: Buffer): void {
    if (this.#isText && this.#text.length < 16) this.#text += part.toString("latin1", 0, 16);
  }

  end(): void {
    if (this.#isText) this.#told(this.#text);
  }
}
