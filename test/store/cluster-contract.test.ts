import { setTimeout as sleep } from "node:timers/promises";
import type { PoolClient } from "pg";
import t from "tap";
import { systemClock } from "../../src/clock.ts";
import type { ClusteredStore } from "../../src/store/store.ts";
import { holding, waits } from "../support/locks.ts";
import { MemoryClusterStore } from "../support/memory-cluster-store.ts";
import { MemoryDatabase } from "../support/memory-database.ts";
import { testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/serve.ts";
import { type ClusterNode, clusterContract } from "./cluster-contract.ts";
import { openClustered } from "./fixture.ts";

const ALL_PARTS = "LOCK TABLE journal_0, journal_1, journal_2, journal_3 IN SHARE MODE";
const WAITS_FOR_FENCE = /^\s*(UPDATE fence|WITH fenced AS|SELECT f.incarnation FROM fence)/;

t.test("the cluster's store on PostgreSQL", async (t) => {
  const { url } = await testDatabase(t);
  const dataDir = await temporaryFolder(t);
  await clusterContract(t, {
    join: () => openClustered({ dataDir, databaseUrl: url }),
    async expire({ incarnation }, ago = 1) {
      const values = [ago / 1_000, incarnation];
      const sql =
        "UPDATE node SET lease_until = clock_timestamp() - make_interval(secs => $1) WHERE incarnation = $2";
      await execute(url, sql, values);
    },
    async hang(_node, begin) {
      const letGo = await holding(t, url, ALL_PARTS);
      const result = begin();
      await waits(url, /INSERT INTO journal/, result);
      return { result, letGo };
    },
    delay: (node) => delayNext(node as ClusteredStore),
    waits: (call) => waits(url, WAITS_FOR_FENCE, call),
    async known() {
      const found = await execute<{ incarnation: string }>(url, "SELECT incarnation FROM node");
      return found.map(({ incarnation }) => incarnation);
    },
  });
});

t.test("the cluster's store in memory", async (t) => {
  const database = new MemoryDatabase(systemClock);
  const gate = () => {
    let open = () => {};
    const until = new Promise<void>((resolve) => {
      open = resolve;
    });
    return { until, open };
  };
  const once = (node: ClusterNode, is: "hang" | "late") => {
    const { until, open } = gate();
    const memory = node as MemoryClusterStore;
    memory.fault = () => {
      memory.fault = () => undefined;
      return { is, until };
    };
    return open;
  };
  await clusterContract(t, {
    join: async () => new MemoryClusterStore(database, "http://memory"),
    async expire({ incarnation }, ago = 1) {
      database.nodes.get(incarnation)!.leaseUntil = systemClock.monotonic() - ago;
    },
    async hang(node, begin) {
      const open = once(node, "hang");
      const result = begin();
      await sleep(1);
      return { result, letGo: async () => open() };
    },
    delay: (node) => once(node, "late"),
    async waits(call) {
      let done = false;
      const settled = () => {
        done = true;
      };
      call.then(settled, settled);
      await sleep(5);
      return !done;
    },
    known: async () => [...database.nodes.keys()],
  });
});

/** The next connection that the store takes sends its first statement when it is let go. */
function delayNext(store: ClusteredStore): () => void {
  const { pool } = store.context;
  const connect = pool.connect.bind(pool) as () => Promise<PoolClient>;
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const held = async (): Promise<PoolClient> => {
    pool.connect = connect as never;
    const client = await connect();
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
    client.query = (async (...args: unknown[]) => {
      client.query = query as never;
      await gate;
      return query(...args);
    }) as never;
    return client;
  };
  pool.connect = held as never;
  return letGo;
}
