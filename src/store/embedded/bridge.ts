/**
 * The bridge between `pg` and the embedded PostgreSQL: `pg` gets streams that look like sockets, the one backend gets one unit at a time, and
 * a client that is inside a transaction keeps the backend until it is out.
 *
 * Losers: `pglite-socket` hands over single protocol messages of all its connections as they come, so that rows of one client landed in another
 * client's table (20 of 100 in a test with two), and answers shifted after an error.
 */
import { Duplex } from "node:stream";
import { Worker } from "node:worker_threads";
import type { Clock } from "../../clock.ts";
import { MAX_WAITING_UNITS } from "../../limits.ts";
import type { LockedFolder } from "./folder.ts";
import {
  isComplete,
  lastError,
  leavesTransactionOpen,
  queryUnit,
  UnitReader,
  withOneReady,
} from "./units.ts";
import type { FromWorker, ToWorker, WorkerData } from "./worker.ts";

type Folder = Pick<LockedFolder, "database" | "lock">;

interface Waiting {
  client: Client;
  bytes: Buffer;
  done(answer: Uint8Array): void;
  failed(error: Error): void;
}

/** An engine whose predecessor broke soon after its start is started after a pause, which doubles: recovery needs room on the disk, and a processor. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** Closing gets so long, with all that is under way: an engine that is stuck must not keep the process. */
export const CLOSE_MS = 8_000;

/**
 * States: opening → open → broken (the engine has crashed; it is ended, and another one opened upon the same folder, which recovers what was
 * committed, again and again until one opens) → open. From each of them: dead (closed, or the folder is another process's).
 */
export class EmbeddedDatabase {
  readonly #folder: Folder;
  readonly #clock: Clock;
  /** The newest one. */
  #worker!: Worker;
  readonly #inFlight = new Map<number, Waiting>();
  #waiting: Waiting[] = [];
  /** Who has the backend: while a unit of it runs, and until it leaves its transaction. */
  #owner: Client | undefined;
  #running = false;
  #ids = 0;
  #clients = 0;
  /** Of engines: what a client prepared is gone with the one that it knew. */
  #generation = 0;
  #openedAt = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #broken: Error | undefined = new Error("the embedded database is not open yet");
  #dead: Error | undefined;
  #closing = false;
  #closed: () => void = () => {};
  #onDeath: (error: Error) => void = () => {};
  #onCrash: (error: Error) => void = () => {};
  #cancelPause = () => {};
  #cancelHurry: (() => void) | undefined;

  private constructor(folder: Folder, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /** Opens the database of a folder, which is made if it is missing. @throws what PGlite says if it cannot. */
  static async open(folder: Folder, clock: Clock): Promise<EmbeddedDatabase> {
    const database = new EmbeddedDatabase(folder, clock);
    try {
      await database.#start();
    } catch (error) {
      await database.#worker.terminate();
      throw error;
    }
    return database;
  }

  /** Calls `died` if the database ends without having been closed. */
  onDeath(died: (error: Error) => void): void {
    this.#onDeath = died;
  }

  /** Calls `crashed` each time that the engine crashes, or cannot be opened after it did: it is opened again by itself. */
  onCrash(crashed: (error: Error) => void): void {
    this.#onCrash = crashed;
  }

  /** Ends it at once, in the middle of whatever it does: its folder is another process's. */
  lose(why: string): void {
    this.#die(new Error(`${why}: nothing more is written to this data folder`));
    void this.#worker.terminate();
  }

  /** A connection, as `pg` wants it of its `stream` option. */
  connect(): Duplex {
    this.#clients += 1;
    return new Client(this, `c${this.#clients}_`, this.#generation);
  }

  /** From now on it has `CLOSE_MS` to be closed. Then it is ended in the middle of what it does, and what waits is refused. */
  hurry(): void {
    this.#cancelHurry ??= this.#clock.schedule(CLOSE_MS, () =>
      this.lose("the database was not closed in time"),
    );
  }

  /** Closes the database in order, if it can be done within `CLOSE_MS`. What waits is refused. */
  async close(): Promise<void> {
    this.hurry();
    this.#closing = true;
    const isOpen = this.#dead === undefined && this.#broken === undefined;
    this.#die(new Error("the embedded database is closed"));
    if (isOpen) {
      await new Promise<void>((resolve) => {
        this.#closed = resolve;
        // If its folder is lost meanwhile there is nothing to close.
        this.#worker.once("exit", () => resolve());
        this.#post({ is: "close" });
      });
    }
    this.#cancelHurry?.();
    // After a crash the thread still waits for work, and would keep the process.
    await this.#worker.terminate();
  }

  /** Runs a unit when its client's turn comes. */
  execute(client: Client, bytes: Buffer): Promise<Uint8Array> {
    const absent = this.#dead ?? this.#broken;
    if (absent !== undefined) return Promise.reject(absent);
    if (!this.#knows(client))
      return Promise.reject(new Error("the connection was to an engine that crashed"));
    if (this.#waiting.length >= MAX_WAITING_UNITS) {
      return Promise.reject(new Error(`${MAX_WAITING_UNITS} statements wait for the embedded database`));
    }
    return new Promise((done, failed) => {
      this.#waiting.push({ client, bytes, done, failed });
      this.#next();
    });
  }

  /** A client has gone: what it had open is rolled back, what it prepared is forgotten. */
  async leave(client: Client, statements: Iterable<string>): Promise<void> {
    this.#waiting = this.#waiting.filter((unit) => unit.client !== client);
    if (this.#dead !== undefined || !this.#knows(client)) return;
    if (this.#owner === client) await this.execute(client, queryUnit("ROLLBACK"));
    for (const name of statements) await this.execute(client, queryUnit(`DEALLOCATE "${name}"`));
  }

  #next(): void {
    if (this.#running) return;
    const at = this.#owner === undefined ? 0 : this.#waiting.findIndex((unit) => unit.client === this.#owner);
    const unit = this.#waiting[at];
    if (unit === undefined) return;
    this.#waiting.splice(at, 1);
    this.#running = true;
    this.#owner = unit.client;
    const id = this.#ids++;
    this.#inFlight.set(id, unit);
    this.#post({ is: "unit", id, bytes: unit.bytes }, [unit.bytes.buffer as ArrayBuffer]);
  }

  #knows(client: Client): boolean {
    return client.generation === this.#generation;
  }

  /** Starts an engine. @throws why it could not open the folder */
  #start(): Promise<void> {
    const { database: folder, lock } = this.#folder;
    const workerData: WorkerData = { folder, lock };
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData });
    this.#worker = worker;
    return new Promise((resolve, reject) => {
      const ended = (error: Error) => {
        reject(error);
        if (worker === this.#worker) this.#break(error);
      };
      worker.on("error", ended);
      worker.on("exit", (code) => ended(new Error(`the embedded database's thread ended with code ${code}`)));
      worker.on("message", (message: FromWorker) => {
        if (message.is === "ready") {
          this.#openedAt = this.#clock.monotonic();
          this.#broken = undefined;
          resolve();
        } else if (message.is === "failed") reject(new Error(message.message));
        else {
          if (message.is === "lost") reject(new Error(message.message));
          this.#receive(message);
        }
      });
    });
  }

  #receive(message: FromWorker): void {
    if (message.is === "closed") this.#closed();
    else if (message.is === "lost") this.lose(message.message);
    // Who waited for it has been told already.
    else if (this.#dead !== undefined || this.#broken !== undefined) return;
    else if (message.is === "crashed") this.#break(new Error(message.message));
    else if (message.is === "answer") this.#answered(message.id, message.bytes);
  }

  #answered(id: number, answer: Uint8Array): void {
    if (!isComplete(answer)) {
      this.#break(new Error(lastError(answer)));
      return;
    }
    const unit = this.#take(id);
    if (!leavesTransactionOpen(answer)) this.#owner = undefined;
    unit.done(withOneReady(answer));
    this.#next();
  }

  /** What was under way may be committed or not, and nobody was told: the connections are cut, as those to a server that crashes. */
  #break(error: Error): void {
    if (this.#dead !== undefined || this.#broken !== undefined) return;
    this.#broken = new Error(`the embedded database crashed: ${error.message}`);
    this.#generation += 1;
    this.#refuse(this.#broken);
    this.#onCrash(this.#broken);
    if (this.#clock.monotonic() - this.#openedAt > LONGEST_PAUSE_MS) this.#pauseMs = FIRST_PAUSE_MS;
    void this.#reopen();
  }

  async #reopen(): Promise<void> {
    for (;;) {
      // Two engines must not write the same files.
      await this.#worker.terminate();
      await new Promise<void>((resolve) => {
        this.#cancelPause = this.#clock.schedule(this.#pauseMs, resolve);
        if (this.#dead !== undefined) this.#cancelPause();
      });
      this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
      try {
        return await this.#start();
      } catch (error) {
        if (this.#dead === undefined) this.#onCrash(error as Error);
      }
    }
  }

  #take(id: number): Waiting {
    const unit = this.#inFlight.get(id);
    if (unit === undefined) throw new Error(`the embedded database answered ${id}, which was not asked`);
    this.#inFlight.delete(id);
    this.#running = false;
    return unit;
  }

  #post(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #die(error: Error): void {
    if (this.#dead !== undefined) return;
    this.#dead = error;
    this.#cancelPause();
    this.#refuse(error);
    if (!this.#closing) this.#onDeath(error);
  }

  #refuse(error: Error): void {
    for (const unit of [...this.#inFlight.values(), ...this.#waiting]) unit.failed(error);
    this.#inFlight.clear();
    this.#waiting = [];
    this.#owner = undefined;
    this.#running = false;
  }
}

/** One client's connection: a stream with the few methods of a socket that `pg` calls. */
class Client extends Duplex {
  readonly #database: EmbeddedDatabase;
  readonly #units: UnitReader;
  /** Of the engine that it is a connection to. */
  readonly generation: number;
  #left = false;

  constructor(database: EmbeddedDatabase, prefix: string, generation: number) {
    super();
    this.#database = database;
    this.generation = generation;
    this.#units = new UnitReader(prefix);
  }

  connect(): this {
    queueMicrotask(() => this.emit("connect"));
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#run(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error) => void): void {
    this.#leave().then(() => {
      this.push(null);
      done();
    }, done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#leave().then(
      () => done(error),
      (failure: Error) => done(error ?? failure),
    );
  }

  async #run(chunk: Buffer): Promise<void> {
    for (const unit of this.#units.push(chunk)) {
      if (unit.is === "terminate") await this.#leave();
      else this.push(await this.#database.execute(this, unit.bytes));
    }
  }

  async #leave(): Promise<void> {
    if (this.#left) return;
    this.#left = true;
    await this.#database.leave(this, this.#units.statements);
  }
}
