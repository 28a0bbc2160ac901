// A process that appends as fast as it can and tells each flush that is acknowledged, until it is killed. Arguments: data folder, database URL or nothing.
import { writeSync } from "node:fs";
import { batchOf, committed, open } from "./fixture.ts";

const [dataDir = "", databaseUrl] = process.argv.slice(2);
const store = await open({ dataDir, databaseUrl });
const epochs = await store.claim([0, 1, 2, 3]);
const filling = "x".repeat(2_000);
for (let flushNo = 1; ; flushNo++) {
  const text = `${epochs.get(0)}/${flushNo}`;
  const id = await committed(
    store,
    batchOf(flushNo, epochs, { [flushNo % 4]: `${text} ${filling}` }, [
      { shard: 0, type: "state.changed", subject: text, time: 1, data: {} },
    ]),
  );
  if (flushNo % 50 === 0) {
    const shard = flushNo % 4;
    await store.write({ shard, epoch: epochs.get(shard)!, mark: id, body: Buffer.from(`up to ${text}`) });
  }
  writeSync(1, `${text}\n`);
}
