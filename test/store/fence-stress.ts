// Six nodes on one database that flush, claim, release and evict each other at random, with pauses between and within their statements. Prints how
// many acknowledged writes a later owner of their shard did not find. Arguments: database URL, folder, time in ms, which on a
// slow machine goes on until each of what it does was done some times.
import { setTimeout as sleep } from "node:timers/promises";
import type { PoolClient } from "pg";
import type { ClusteredStore } from "../../src/store/store.ts";
import { execute } from "../support/postgres-server.ts";
import { batchOf, openClustered } from "./fixture.ts";

const [url = "", dataDir = "", time = "8000"] = process.argv.slice(2);
const NODES = 6;
/** How often each of what is counted happens, and for how much longer that is waited for. */
const LEAST = 3;
const MORE_MS = 60_000;
const SHARDS = 12;
const ALL = Array.from({ length: SHARDS }, (_, shard) => shard);
const pick = (n: number) => Math.floor(Math.random() * n);
const some = () => ALL.filter(() => pick(3) === 0);
/** Mostly short, now and then long enough for others to come in between. */
const pause = (longest: number) => sleep(pick(4) === 0 ? pick(longest) : pick(4));

interface Write {
  epoch: number;
  text: string;
}

/** By shard: what was acknowledged, and what each owner found when it loaded. */
const acknowledged = ALL.map(() => [] as Write[]);
const loaded = ALL.map(() => [] as { epoch: number; found: Set<string> }[]);
const counts = { flushes: 0, claims: 0, releases: 0, evictions: 0, fenced: 0, checkpoints: 0 };
let texts = 0;
let over = false;

class Slot {
  store: ClusteredStore;
  readonly epochs = new Map<number, number>();
  /** By shard: all that this node knows of it, and the newest row that has it. */
  readonly known = new Map<number, Set<string>>();
  newest = 0;
  flushNo = 0;
  /** Flushes whose end nobody waited for. */
  pending = 0;

  constructor(store: ClusteredStore) {
    this.store = store;
  }

  static async open(): Promise<Slot> {
    return new Slot(await openPausing());
  }

  async act(others: Slot[]): Promise<void> {
    const action = pick(20);
    if (action < 4 || this.epochs.size === 0) await this.claim(false);
    else if (action === 4) await this.release(some());
    else if (action === 5 && pick(3) === 0) await this.evict(others[pick(others.length)]!);
    else if (action === 6 && this.pending === 0) await this.checkpoint();
    else await this.flush();
    await pause(15);
  }

  async claim(evict: boolean): Promise<void> {
    const claimed = await this.store.cluster.claimFree(evict || pick(2) === 0 ? ALL : some(), evict);
    if (claimed === undefined) return this.rejoin();
    counts.claims += claimed.size;
    for (const [shard, epoch] of claimed) {
      const found = new Set<string>();
      for await (const item of this.store.recover([shard])) {
        if (item.is === "section") found.add(Buffer.from(item.section.body).toString());
        else for (const text of Buffer.from(item.checkpoint.body).toString().split(" ")) found.add(text);
        this.newest = Math.max(this.newest, item.is === "section" ? item.journalId : item.checkpoint.mark);
      }
      loaded[shard]!.push({ epoch, found: new Set(found) });
      this.known.set(shard, found);
      this.epochs.set(shard, epoch);
    }
  }

  async release(shards: number[]): Promise<void> {
    for (const shard of shards) this.epochs.delete(shard);
    counts.releases += 1;
    await this.store.cluster.release(shards);
  }

  async evict(other: Slot): Promise<void> {
    counts.evictions += 1;
    const sql = "UPDATE node SET lease_until = clock_timestamp() - interval '1 ms' WHERE incarnation = $1";
    await execute(url, sql, [other.store.incarnation]);
    await this.claim(true);
  }

  async checkpoint(): Promise<void> {
    const [[shard, epoch] = []] = this.epochs;
    if (shard === undefined || epoch === undefined) return;
    const body = Buffer.from([...this.known.get(shard)!].join(" "));
    if (await this.store.write({ shard, epoch, mark: this.newest, body })) counts.checkpoints += 1;
  }

  async flush(): Promise<void> {
    const { epochs } = this;
    const own = [...epochs].filter(() => pick(2) === 0).slice(0, 4);
    if (own.length === 0) return;
    const text = `${++texts}`;
    const sections = Object.fromEntries(own.map(([shard]) => [shard, text]));
    const { store } = this;
    this.pending += 1;
    const flush = store.append(batchOf(++this.flushNo, new Map(own), sections), 1).finally(() => {
      this.pending -= 1;
    });
    const told = flush.then((outcome) => {
      if (outcome.status === "committed") {
        counts.flushes += 1;
        if (store === this.store) this.newest = Math.max(this.newest, outcome.journalId);
        for (const [shard, epoch] of own) {
          acknowledged[shard]!.push({ epoch, text });
          if (store === this.store && this.epochs.get(shard) === epoch) this.known.get(shard)!.add(text);
        }
      } else counts.fenced += 1;
      return outcome.status;
    });
    // It seems to hang: the node gives up and hands its shards over.
    if (pick(3) === 0) {
      await pause(60);
      return this.release(own.map(([shard]) => shard));
    }
    if ((await told) === "fenced" && (await store.cluster.renew()) === undefined) await this.rejoin();
  }

  async rejoin(): Promise<void> {
    const gone = this.store;
    this.epochs.clear();
    this.known.clear();
    this.store = await openPausing();
    this.flushNo = 0;
    this.newest = 0;
    void gone.close();
  }
}

/** A store whose flushes have pauses before, within and after their transaction, and all else between its statements. */
async function openPausing(): Promise<ClusteredStore> {
  const store = await openClustered({ dataDir, databaseUrl: url });
  const { pool } = store.context;
  const connect = pool.connect.bind(pool) as () => Promise<PoolClient>;
  pool.connect = (async () => {
    const client = await connect();
    return new Proxy(client, {
      get(target, name) {
        const value = Reflect.get(target, name);
        if (name !== "query") return typeof value === "function" ? value.bind(target) : value;
        return async (...args: [never]) => {
          const sql = String((args[0] as { text?: string }).text ?? args[0]);
          const isFlush = sql.includes("INSERT INTO journal");
          await pause(isFlush ? 150 : 8);
          if (!isFlush) return target.query(...args);
          await target.query("BEGIN");
          const result = await target.query(...args);
          await pause(250);
          await target.query("COMMIT");
          return result;
        };
      },
    });
  }) as never;
  return store;
}

function lost(): number {
  let n = 0;
  for (const shard of ALL) {
    for (const { epoch, text } of acknowledged[shard]!) {
      if (loaded[shard]!.some((owner) => owner.epoch > epoch && !owner.found.has(text))) n += 1;
    }
  }
  return n;
}

const slots = await Promise.all(Array.from({ length: NODES }, () => Slot.open()));
const end = performance.now() + Number(time);
const isThorough = () => Object.values(counts).every((count) => count > LEAST);
const watching = setInterval(() => {
  const late = performance.now() - end;
  over = lost() > 0 || late > MORE_MS || (late > 0 && isThorough());
}, 250);
await Promise.all(
  slots.map(async (slot) => {
    const others = slots.filter((other) => other !== slot);
    while (!over) await slot.act(others);
  }),
);
clearInterval(watching);
// Whoever is last looks at everything.
const last = await Slot.open();
for (const slot of slots)
  await execute(url, "UPDATE node SET lease_until = now() - interval '1 s' WHERE incarnation = $1", [
    slot.store.incarnation,
  ]);
await last.claim(true);
process.stdout.write(`${JSON.stringify({ lost: lost(), ...counts })}\n`, () => process.exit(0));
