/** The client's end of a WebSocket on a raw socket, so that one costs little more than the bytes that it reads. */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { BINARY_FRAME, TEXT_FRAME } from "./frame-reader.ts";

const RECEIVE_BYTES = 256 * 1_024;
const HEAD_END = Buffer.from("\r\n\r\n");
/** Masked, and so is every frame of a client. The mask is 0: it protects proxies, and there are none. */
const MASKED = 0x80;
const MASK_BYTES = 4;
/** Sockets from one address. There are about 28,000 ports for each, but those of the last run are in use for a minute. */
const PER_ADDRESS = 5_000;

/** One for all: a socket's bytes are worked off before the next one's are read. */
const buffer = Buffer.allocUnsafeSlow(RECEIVE_BYTES);

export interface Upgrade {
  /** `http://host:port` of the server. */
  url: string;
  path: string;
  protocol?: string;
  token?: string;
}

/** Which of several addresses of this machine a socket comes from. */
export function sourceAddress(index: number): string {
  return `127.0.0.${1 + Math.floor(index / PER_ADDRESS)}`;
}

/**
 * Connects, writes `hello`, and hands all that comes to `take`, which is not to keep it.
 * @param ended called when the other end goes.
 */
export function openSocket(
  url: URL,
  index: number,
  hello: string,
  take: (chunk: Buffer) => void,
  ended: () => void,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: url.hostname,
      port: Number(url.port),
      localAddress: sourceAddress(index),
      onread: {
        buffer,
        callback(bytes) {
          take(buffer.subarray(0, bytes));
          return true;
        },
      },
    });
    socket.setNoDelay(true);
    socket.once("error", reject);
    socket.once("close", ended);
    socket.once("connect", () => {
      socket.write(hello);
      resolve(socket);
    });
  });
}

/** Opens a WebSocket (RFC 6455, 4.1). What comes after the handshake goes to `take`. @param index of the socket in its process */
export function openWebSocket(
  { url, path, protocol, token }: Upgrade,
  index: number,
  take: (chunk: Buffer) => void,
  ended: () => void,
): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let head = Buffer.alloc(0);
  let upgraded = false;
  const look = (chunk: Buffer) => {
    if (upgraded) return take(chunk);
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf(HEAD_END);
    if (end < 0) return;
    const answer = head.toString("latin1", 0, end);
    if (!answer.startsWith("HTTP/1.1 101 ")) return reject(new Error(`no WebSocket: ${answer}`));
    upgraded = true;
    resolve();
    const rest = head.subarray(end + HEAD_END.length);
    head = Buffer.alloc(0);
    if (rest.length > 0) take(rest);
  };
  const hello = [
    `GET ${path} HTTP/1.1`,
    `Host: ${new URL(url).host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    "Sec-WebSocket-Version: 13",
    ...(protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
  ];
  return openSocket(new URL(url), index, `${hello.join("\r\n")}\r\n\r\n`, look, ended).then(
    async (socket) => {
      await promise;
      return socket;
    },
  );
}

/** One whole text message. */
export function textFrame(text: string): Buffer {
  return clientFrame(TEXT_FRAME, Buffer.from(text));
}

/** One whole binary message; its payload is the end of it and may be changed there. */
export function binaryFrame(payload: Uint8Array): Buffer {
  return clientFrame(BINARY_FRAME, payload);
}

function clientFrame(kind: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const sizeBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = Buffer.alloc(2 + sizeBytes + MASK_BYTES + length);
  frame[0] = kind;
  frame[1] = MASKED | (sizeBytes === 0 ? length : sizeBytes === 2 ? 126 : 127);
  if (sizeBytes === 2) frame.writeUInt16BE(length, 2);
  else if (sizeBytes === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(payload, 2 + sizeBytes + MASK_BYTES);
  return frame;
}
