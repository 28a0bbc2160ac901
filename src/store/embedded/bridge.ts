/**
 * The bridge between `pg` and the embedded PostgreSQL: `pg` gets streams that look like sockets, the one backend gets one unit at a time, and
 * a client that is inside a transaction keeps the backend until it is out.
 *
 * Losers: `pglite-socket` hands over single protocol messages of all its connections as they come, so that rows of one client landed in another
 * client's table (20 of 100 in a test with two), and answers shifted after an error.
 */
import { Duplex } from "node:stream";
import { Worker } from "node:worker_threads";
import { MAX_WAITING_UNITS } from "../../limits.ts";
import type { LockedFolder } from "./folder.ts";
import { leavesTransactionOpen, queryUnit, UnitReader, withOneReady } from "./units.ts";
import type { FromWorker, ToWorker, WorkerData } from "./worker.ts";

interface Waiting {
  client: Client;
  bytes: Buffer;
  done(answer: Uint8Array): void;
  failed(error: Error): void;
}

export class EmbeddedDatabase {
  readonly #worker: Worker;
  readonly #inFlight = new Map<number, Waiting>();
  #waiting: Waiting[] = [];
  /** Who has the backend: while a unit of it runs, and until it leaves its transaction. */
  #owner: Client | undefined;
  #running = false;
  #ids = 0;
  #clients = 0;
  #dead: Error | undefined;
  #closed: (() => void) | undefined;
  #onDeath: (error: Error) => void = () => {};

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (message: FromWorker) => this.#receive(message));
    worker.on("error", (error) => this.#die(error));
    worker.on("exit", (code) =>
      this.#die(new Error(`the embedded database's thread ended with code ${code}`)),
    );
  }

  /** Opens the database of a folder, which is made if it is missing. @throws what PGlite says if it cannot. */
  static open({ database, lock }: Pick<LockedFolder, "database" | "lock">): Promise<EmbeddedDatabase> {
    const workerData: WorkerData = { folder: database, lock };
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData });
    return new Promise((resolve, reject) => {
      worker.once("error", reject);
      worker.once("message", (message: FromWorker) => {
        worker.off("error", reject);
        if (message.is === "ready") resolve(new EmbeddedDatabase(worker));
        else {
          reject(new Error("message" in message ? message.message : `unexpected ${message.is}`));
          void worker.terminate();
        }
      });
    });
  }

  /** Calls `died` if the database ends without having been closed. */
  onDeath(died: (error: Error) => void): void {
    this.#onDeath = died;
  }

  /** Ends it at once, in the middle of whatever it does: its folder is another process's. */
  lose(why: string): void {
    this.#die(new Error(`${why}: nothing more is written to this data folder`));
    void this.#worker.terminate();
  }

  /** A connection, as `pg` wants it of its `stream` option. */
  connect(): Duplex {
    this.#clients += 1;
    return new Client(this, `c${this.#clients}_`);
  }

  /** Closes the database in order. What waits is refused. */
  async close(): Promise<void> {
    if (this.#dead !== undefined) {
      // After a crash the thread still waits for work, and would keep the process.
      await this.#worker.terminate();
      return;
    }
    await new Promise<void>((resolve) => {
      this.#closed = resolve;
      // If its folder is lost meanwhile there is nothing to close.
      this.#worker.once("exit", () => resolve());
      this.#die(new Error("the embedded database is closed"));
      this.#post({ is: "close" });
    });
    await this.#worker.terminate();
  }

  /** Runs a unit when its client's turn comes. */
  execute(client: Client, bytes: Buffer): Promise<Uint8Array> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
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
    if (this.#dead !== undefined) return;
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

  #receive(message: FromWorker): void {
    // Who waited for it has been told already.
    if (this.#dead !== undefined && message.is !== "closed") return;
    if (message.is === "answer") {
      const unit = this.#take(message.id);
      if (!leavesTransactionOpen(message.bytes)) this.#owner = undefined;
      unit.done(withOneReady(message.bytes));
      this.#next();
    } else if (message.is === "crashed") {
      // The engine has one process: after a crash there is nothing left to ask.
      this.#die(new Error(`the embedded database crashed: ${message.message}`));
    } else if (message.is === "lost") this.lose(message.message);
    else if (message.is === "closed") this.#closed?.();
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
    for (const unit of [...this.#inFlight.values(), ...this.#waiting]) unit.failed(error);
    this.#inFlight.clear();
    this.#waiting = [];
    if (this.#closed === undefined) this.#onDeath(error);
  }
}

/** One client's connection: a stream with the few methods of a socket that `pg` calls. */
class Client extends Duplex {
  readonly #database: EmbeddedDatabase;
  readonly #units: UnitReader;
  #left = false;

  constructor(database: EmbeddedDatabase, prefix: string) {
    super();
    this.#database = database;
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
