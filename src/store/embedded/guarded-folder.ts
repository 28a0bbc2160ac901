/**
 * The files of the database: nothing of them is changed but while the lock of their folder is this process's. It is looked at before each change, not
 * before each statement: one that is frozen in the middle of a statement must not go on with the rest of it.
 */
import { NodeFS } from "@electric-sql/pglite/nodefs";
import type { Clock } from "../../clock.ts";
import { BELIEF_MS, type HeldLock, lookAt } from "./lock-file.ts";

/** A lock that cannot be read for so long (no file descriptor is free, a share does not answer) counts as lost. */
const UNREAD_MS = 5_000;
const AGAIN_MS = 50;

type Operations = Record<string, (...values: unknown[]) => unknown>;
/** What Emscripten calls with its module before the program runs. */
type PreRun = (module: {
  FS: { filesystems: { NODEFS: { node_ops: Operations; stream_ops: Operations } } };
}) => void;

/** What changes files, of Emscripten's file system over Node.js (`libnodefs.js`); a map in memory is written by `write`. */
const CHANGES = {
  node_ops: ["setattr", "mknod", "rename", "unlink", "rmdir", "symlink"],
  stream_ops: ["write"],
} as const;

export class GuardedFolder extends NodeFS {
  readonly #lock: HeldLock;
  readonly #clock: Clock;
  readonly #lost: (why: string) => never;
  #lookedAt: number;
  readonly #pause = new Int32Array(new SharedArrayBuffer(4));

  /** @param lost is called when the lock is another's, and must not return. */
  constructor(folder: string, lock: HeldLock, clock: Clock, lost: (why: string) => never) {
    super(folder);
    this.#lock = lock;
    this.#clock = clock;
    this.#lost = lost;
    this.#lookedAt = -Infinity;
  }

  override async init(...given: Parameters<NodeFS["init"]>): ReturnType<NodeFS["init"]> {
    const { emscriptenOpts } = await super.init(...given);
    const { preRun } = emscriptenOpts as { preRun: PreRun[] };
    preRun.push(({ FS }) => {
      for (const [kind, names] of Object.entries(CHANGES)) {
        const operations = FS.filesystems.NODEFS[kind as keyof typeof CHANGES];
        for (const name of names) operations[name] = this.#guarded(operations[name]!);
      }
    });
    return { emscriptenOpts };
  }

  /** Does not return if the lock is another's. Waits, and all of the thread does, while that cannot be seen. */
  check(): void {
    const began = this.#clock.monotonic();
    if (began - this.#lookedAt < BELIEF_MS) return;
    for (;;) {
      // The time before the look: the lock may change as soon as it was read.
      const now = this.#clock.monotonic();
      const look = lookAt(this.#lock);
      if (look.is === "ours") {
        this.#lookedAt = now;
        return;
      }
      if (look.is === "lost" || now - began >= UNREAD_MS) this.#lost(look.why);
      Atomics.wait(this.#pause, 0, 0, AGAIN_MS);
    }
  }

  #guarded(change: (...values: unknown[]) => unknown): (...values: unknown[]) => unknown {
    return (...values) => {
      this.check();
      return change(...values);
    };
  }
}
