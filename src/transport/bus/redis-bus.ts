/** The bus between nodes by way of Redis: its publish and subscribe, which keep nothing. */
import assert from "node:assert/strict";
import { type Bus, BusAway } from "../../cluster/ports.ts";
import {
  BUS_ANSWER_MS,
  BUS_MESSAGE_OVERHEAD_BYTES,
  MAX_BUS_MESSAGE_BYTES,
  MAX_BUS_UNANSWERED_BYTES,
} from "../../limits.ts";
import { BusStartError } from "./errors.ts";
import { Inbox } from "./inbox.ts";
import { type ConnectionOptions, RedisConnection, withoutSecrets } from "./redis-connection.ts";

/** Sharded publish and subscribe came with it, and all older ones are without maintenance. Valkey says 7.2 here, and its own version elsewhere. */
const OLDEST = 7;

/**
 * Connects, and looks whether this is a Redis that will do.
 * @throws BusStartError
 */
export async function openRedisBus(options: ConnectionOptions): Promise<Bus> {
  const bus = new RedisBus(options);
  try {
    await bus.open();
  } catch (error) {
    await bus.close();
    throw error;
  }
  return bus;
}

/** Publishing and subscribing have a connection each, which come and go apart: a subscriber that is drowned in messages must not keep answers from going out. */
class RedisBus implements Bus {
  readonly #options: ConnectionOptions;
  readonly #publisher: RedisConnection;
  readonly #subscriber: RedisConnection;
  readonly #inbox: Inbox;
  #unanswered = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#inbox = new Inbox(options.clock, options.log);
    this.#publisher = new RedisConnection(options, "publish", {
      lost: () => {},
      restore: async () => {},
      back: () => {},
    });
    this.#subscriber = new RedisConnection(options, "subscribe", {
      lost: () => this.#inbox.lose(),
      restore: () => this.#resubscribe(),
      back: () => this.#inbox.lose(),
    });
    this.#subscriber.redis.on("messageBuffer", (channel: Buffer, payload: Buffer) =>
      this.#inbox.push(channel.toString(), unshared(payload)),
    );
  }

  async open(): Promise<void> {
    await this.#publisher.open();
    await this.#checkVersion();
    await this.#subscriber.open();
  }

  async publish(channel: string, payload: Uint8Array): Promise<number> {
    assert.ok(payload.length <= MAX_BUS_MESSAGE_BYTES, "a message of the bus is too large");
    if (!this.#publisher.usable) throw new BusAway("Redis cannot be reached");
    const cost = payload.length + BUS_MESSAGE_OVERHEAD_BYTES;
    if (this.#unanswered + cost > MAX_BUS_UNANSWERED_BYTES)
      throw new BusAway("Redis does not keep up with what is published");
    this.#unanswered += cost;
    // ioredis copies it into what it writes, at once.
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    const sent = this.#publisher.redis.publish(channel, bytes).finally(() => {
      this.#unanswered -= cost;
    });
    return this.#answer(sent);
  }

  async subscribe(channel: string, receive: (payload: Uint8Array) => void): Promise<() => Promise<void>> {
    if (!this.#subscriber.usable) throw new BusAway("Redis cannot be reached");
    const end = this.#inbox.add(channel, receive);
    const unsubscribe = async () => {
      end();
      if (this.#inbox.has(channel) || !this.#subscriber.usable) return;
      // If that fails, the subscription has gone with its connection.
      await this.#answer(this.#subscriber.redis.unsubscribe(channel)).catch(() => {});
    };
    try {
      await this.#answer(this.#subscriber.redis.subscribe(channel));
    } catch (error) {
      // It may yet come to be, after the deadline.
      void unsubscribe();
      throw error;
    }
    return unsubscribe;
  }

  get away(): boolean {
    return !this.#publisher.usable || !this.#subscriber.usable;
  }

  get queued(): Bus["queued"] {
    return { out: this.#unanswered, in: this.#inbox.bytes };
  }

  onLoss(lost: () => void): void {
    this.#inbox.onLoss(lost);
  }

  async close(): Promise<void> {
    this.#inbox.clear();
    this.#publisher.close();
    this.#subscriber.close();
  }

  async #checkVersion(): Promise<void> {
    const { redis } = this.#publisher;
    const at = `REDIS_URL: ${withoutSecrets(this.#options.url)}`;
    let about: string;
    try {
      about = await this.#answer(redis.info("server"));
    } catch (error) {
      throw new BusStartError(
        "refused",
        `${at} does not say which version it is: ${(error as Error).message}.`,
      );
    }
    const version = /^redis_version:(\S+)/m.exec(about)?.[1];
    if (version === undefined) throw new BusStartError("not-redis", `${at} is neither Redis nor Valkey.`);
    if (Number.parseInt(version, 10) < OLDEST)
      throw new BusStartError(
        "version-too-old",
        `${at} is Redis ${version}; Muster needs Redis ${OLDEST} or newer, or Valkey.`,
      );
  }

  async #resubscribe(): Promise<void> {
    const { channels } = this.#inbox;
    if (channels.length > 0) await this.#answer(this.#subscriber.redis.subscribe(...channels));
    const ended = channels.filter((channel) => !this.#inbox.has(channel));
    if (ended.length > 0) await this.#answer(this.#subscriber.redis.unsubscribe(...ended));
  }

  /** What Redis answers within the deadline. @throws BusAway, without the error of ioredis, which holds the payload. */
  #answer<T>(asked: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.schedule(BUS_ANSWER_MS, () =>
        reject(new BusAway(`Redis did not answer within ${BUS_ANSWER_MS} ms`)),
      );
      asked.then(
        (answer) => {
          cancel();
          resolve(answer);
        },
        (error: Error) => {
          cancel();
          reject(new BusAway(error.message));
        },
      );
    });
  }
}

/** ioredis gives parts of what the socket read: kept, one would keep 64 KB alive. What came in several reads is on its own already. */
function unshared(payload: Buffer): Uint8Array {
  const own = payload.byteLength === payload.buffer.byteLength;
  return own ? new Uint8Array(payload.buffer) : new Uint8Array(payload);
}
