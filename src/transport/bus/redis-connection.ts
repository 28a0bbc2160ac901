/** One connection to Redis that is made again for ever, and is cut when it is dead without saying so. */
import { Redis } from "ioredis";
import type { Clock } from "../../clock.ts";
import { BUS_CONNECT_MS, BUS_PING_MS, MAX_BUS_BACKOFF_MS, MIN_BUS_BACKOFF_MS } from "../../limits.ts";
import type { Log } from "../../telemetry/log.ts";
import { BusStartError } from "./errors.ts";

export interface ConnectionOptions {
  /** `redis://` or `rediss://`, with user, password and database if need be. */
  url: string;
  log: Log;
  clock: Clock;
  /** 0 ≤ x < 1, for the jitter. */
  random: () => number;
}

/** What a connection does besides. */
export interface ConnectionLife {
  /** It was usable, and is no more. */
  lost(): void;
  /** It was made again: what it needs before it is usable. If that rejects, another one is made. */
  restore(): Promise<void>;
  /** It is usable again. */
  back(): void;
}

/** What of an address may be logged. */
export function withoutSecrets(address: string): string {
  const { protocol, host, pathname } = new URL(address);
  return `${protocol}//${host}${pathname}`;
}

/** Of a part of a URL. A `%` that begins no escape stands for itself: it is easily forgotten in a password. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * Connecting → usable → (lost → connecting → usable)* → closed. ioredis makes the connection again; what it does not do is done here: it
 * waits for ever for a server that takes the connection and says nothing, and it takes a half-open connection for a live one.
 *
 * Its errors are never logged or passed on as they are: they carry the command, and so the password.
 */
export class RedisConnection {
  readonly redis: Redis;
  readonly #options: ConnectionOptions;
  readonly #purpose: string;
  /** Of the first connection, which is not tried again. */
  #failure: Error | undefined;
  /** For the log: why the connection is gone, as far as it was told. */
  #why = "";
  #usable = false;
  #wasLost = false;
  #closed = false;
  #stopWatching: () => void = () => {};
  readonly #life: ConnectionLife;

  /** @param purpose for the log and for `CLIENT LIST`. */
  constructor(options: ConnectionOptions, purpose: string, life: ConnectionLife) {
    this.#options = options;
    this.#purpose = purpose;
    this.#life = life;
    const url = new URL(options.url);
    this.redis = new Redis({
      // By hand: ioredis takes every parameter of a URL for one of its options.
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port === "" ? 6_379 : Number(url.port),
      username: decoded(url.username) || undefined,
      password: decoded(url.password) || undefined,
      db: Number(url.pathname.slice(1)) || 0,
      tls: url.protocol === "rediss:" ? {} : undefined,
      connectionName: `muster-${purpose}`,
      lazyConnect: true,
      connectTimeout: BUS_CONNECT_MS,
      maxLoadingRetryTime: MAX_BUS_BACKOFF_MS,
      // The other end's farewell is of no interest.
      disconnectTimeout: 0,
      // Nothing waits, is repeated, or outlives its connection: whoever published decides whether to try again.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      // Subscriptions are made again here, to know when that is done.
      autoResubscribe: false,
      retryStrategy: (attempt) => this.#backoff(attempt),
    });
    this.redis.on("error", (error: Error) => {
      this.#failure ??= error;
      this.#why ||= error.message;
    });
    this.redis.on("connecting", () => this.#watchConnecting());
    this.redis.on("ready", () => this.#watchUsable());
    this.redis.on("close", () => this.#lost());
  }

  /** Whether commands go out now. */
  get usable(): boolean {
    return this.#usable;
  }

  /** Makes the first connection. @throws BusStartError */
  async open(): Promise<void> {
    try {
      await this.redis.connect();
    } catch (error) {
      this.close();
      throw this.#startError(error as Error);
    }
    // A database that does not exist: ioredis tells and goes on with number 0.
    if (this.#failure !== undefined) {
      this.close();
      throw this.#startError(this.#failure);
    }
    this.#usable = true;
  }

  /** Cuts it; it is made again. */
  cut(): void {
    this.redis.stream?.destroy();
  }

  close(): void {
    this.#closed = true;
    this.#usable = false;
    this.#stopWatching();
    this.redis.disconnect();
    this.cut();
  }

  #backoff(attempt: number): number {
    const most = Math.min(MAX_BUS_BACKOFF_MS, MIN_BUS_BACKOFF_MS * 2 ** attempt);
    return MIN_BUS_BACKOFF_MS + this.#options.random() * (most - MIN_BUS_BACKOFF_MS);
  }

  #watchConnecting(): void {
    this.#stopWatching();
    if (this.#closed) return;
    this.#stopWatching = this.#options.clock.schedule(BUS_CONNECT_MS, () => {
      this.#why = `no connection within ${BUS_CONNECT_MS} ms`;
      this.cut();
    });
  }

  #watchUsable(): void {
    this.#stopWatching();
    if (this.#closed) return;
    this.#ping();
    // The first time `open` goes on.
    if (!this.#wasLost) return;
    this.#life.restore().then(
      () => this.#back(),
      (error: Error) => {
        this.#why = error.message;
        this.cut();
      },
    );
  }

  #back(): void {
    if (this.redis.status !== "ready" || this.#closed) return;
    this.#usable = true;
    this.#why = "";
    this.#options.log.info({ connection: this.#purpose }, "Redis is back");
    this.#life.back();
  }

  /** Pings, and cuts the connection if until the next ping nothing came at all. Answers may stand behind megabytes of messages, so any byte is a sign of life. */
  #ping(): void {
    const { clock } = this.#options;
    const { stream } = this.redis;
    const read = stream.bytesRead;
    // Lost with its connection.
    this.redis.ping().catch(() => {});
    this.#stopWatching = clock.schedule(BUS_PING_MS, () => {
      // A process that stood still finds its timers due before it reads what has come meanwhile.
      clock.yield(() => {
        if (this.#closed || this.redis.stream !== stream || this.redis.status !== "ready") return;
        if (stream.bytesRead > read) {
          this.#ping();
          return;
        }
        this.#why = `no sign of life for ${BUS_PING_MS} ms`;
        this.cut();
      });
    });
  }

  #lost(): void {
    this.#stopWatching();
    this.#wasLost = true;
    if (!this.#usable || this.#closed) return;
    this.#usable = false;
    const url = withoutSecrets(this.#options.url);
    this.#options.log.warn(
      { connection: this.#purpose, url, why: this.#why || "the connection was closed" },
      "Redis is away",
    );
    this.#life.lost();
  }

  #startError(error: Error): BusStartError {
    const at = `REDIS_URL: ${withoutSecrets(this.#options.url)}`;
    const reason = this.#failure ?? error;
    // Errors of Redis begin with a code of its protocol.
    const code = reason.name === "ReplyError" ? reason.message.split(" ", 1)[0] : undefined;
    if (code === "WRONGPASS" || code === "NOAUTH")
      return new BusStartError("wrong-password", `${at} wants another user or password.`);
    if (code !== undefined)
      return new BusStartError("refused", `${at} refuses this node: ${reason.message}.`);
    const why = this.#why || reason.message || String((reason as NodeJS.ErrnoException).code);
    return new BusStartError("cannot-connect", `${at} cannot be reached: ${why}.`);
  }
}
