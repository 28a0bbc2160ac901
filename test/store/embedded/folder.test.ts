import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import t from "tap";
import { systemClock } from "../../../src/clock.ts";
import { lockFolder } from "../../../src/store/embedded/folder.ts";
import { asFolderError, type StoreStartCode } from "../../../src/store/errors.ts";
import { bootId } from "../../../src/store/process-identity.ts";
import { madeDataDir } from "../../support/data-dir.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { temporaryFolder } from "../../support/serve.ts";
import { SmallDisk } from "../../support/small-disk.ts";
import { batchOf, committed, open, recovered } from "../fixture.ts";

/** A process id that no process has. */
const NOBODY = 2 ** 22 + 1;
const refused = (code: StoreStartCode, message: RegExp) => ({ name: "StoreStartError", code, message });

t.test("[D14] a data folder that cannot be used is refused with a sentence that says why", async (t) => {
  const file = join(await temporaryFolder(t), "file");
  writeFileSync(file, "");
  const cases = { "is a file": file, "is in a file": join(file, "data") };
  for (const [what, dataDir] of Object.entries(cases)) {
    const message = new RegExp(`^the data folder ${dataDir} cannot be used: .*no folder$`);
    for (const databaseUrl of [undefined, "postgres://127.0.0.1:1/none"]) {
      await t.rejects(open({ dataDir, databaseUrl }), refused("folder-unusable", message), what);
    }
  }
  const denied = Object.assign(new Error("EACCES: permission denied"), { code: "EACCES", syscall: "open" });
  t.match(asFolderError("/data", denied), {
    message: "the data folder /data cannot be used: this user may not write there",
  });

  const disk = await SmallDisk.mount(t, 2 * 2 ** 20);
  if (disk === undefined) return;
  await t.rejects(
    open({ dataDir: disk.folder }),
    refused("cannot-open", /cannot be opened: the disk has no room for it$/),
  );
});

t.test("a folder", async (t) => {
  const dataDir = await madeDataDir(t);

  await t.test("[D13] a second start on a folder in use is refused with a sentence", async (t) => {
    const store = await open({ dataDir });
    await t.rejects(
      open({ dataDir }),
      refused("folder-in-use", /in use by process \d+: stop it, or set MUSTER_DATA_DIR/),
    );
    const epochs = await store.claim([1]);
    await committed(store, batchOf(1, epochs, { 1: "still there" }));
    await store.close();
    t.notOk(existsSync(join(dataDir, "lock")), "the lock goes with its holder");
  });

  await t.test("[D13] a lock that a dead process left is taken over", async (t) => {
    const started = "1";
    const locks = {
      "a process that is gone": { pid: NOBODY, bootId: bootId(), started, nonce: "n1" },
      "an earlier process with the id of one that runs": {
        pid: process.ppid,
        bootId: bootId(),
        started,
        nonce: "n3",
      },
      "an earlier process with our id": { pid: process.pid, bootId: bootId(), started, nonce: "n4" },
      "killed before it wrote": undefined,
    };
    for (const [what, holder] of Object.entries(locks)) {
      writeFileSync(join(dataDir, "lock"), holder === undefined ? "" : JSON.stringify(holder));
      const folder = await lockFolder(dataDir, systemClock);
      await t.rejects(
        lockFolder(dataDir, systemClock),
        refused("folder-in-use", /in use by process \d+:/),
        what,
      );
      folder.release();
    }
    const store = await open({ dataDir });
    t.same(await recovered(store, [1]), ["section 1 still there"]);
    await store.close();
    t.same(
      readdirSync(dataDir).filter((name) => name.startsWith("lock")),
      [],
    );
  });

  await t.test("[D22] a folder in use in another container is refused, and left alone", async (t) => {
    const clock = new FakeClock();
    const lock = join(dataDir, "lock");
    writeFileSync(lock, JSON.stringify({ pid: 1, bootId: "another", started: "1", nonce: "n" }));
    const refusal = t.rejects(
      lockFolder(dataDir, clock),
      refused("folder-in-use", /in use by process 1 of another container or machine: stop it/),
    );
    await clock.advance(4_000);
    utimesSync(lock, clock.now() / 1_000, clock.now() / 1_000);
    await clock.advance(1_000);
    await refusal;
    t.match(readFileSync(lock, "utf8"), /another/);
    rmSync(lock);
  });

  await t.test("[D14] a folder that another version made is refused with a sentence", async (t) => {
    const format = readFileSync(join(dataDir, "format"), "utf8");
    writeFileSync(join(dataDir, "format"), "pglite 0.4, postgresql 17");
    await t.rejects(
      open({ dataDir }),
      refused("folder-of-another-version", /was made by "pglite 0.4, postgresql 17", this program reads/),
    );
    t.notOk(existsSync(join(dataDir, "lock")));
    rmSync(join(dataDir, "format"));
    await t.rejects(open({ dataDir }), refused("folder-of-another-version", /no file "format"/));
    writeFileSync(join(dataDir, "format"), format);
  });

  await t.test("[A13] the files of the database are for their owner only", async (t) => {
    const database = join(dataDir, "pg");
    const mode = () => (statSync(database).mode & 0o777).toString(8);
    chmodSync(database, 0o755);
    chmodSync(dataDir, 0o755);
    const store = await open({ dataDir });
    t.equal(mode(), "700", "also where an older version made them");
    t.equal((statSync(dataDir).mode & 0o777).toString(8), "755", "the data folder is as it was made");
    await store.close();
  });

  await t.test("[D20] a first start that was killed is begun again", async (t) => {
    const young = await madeDataDir(t);
    const [database, unfinished, made] = ["pg", "unfinished", "made"].map((name) => join(young, name));
    t.notOk(existsSync(unfinished!), "a whole start leaves no mark");
    renameSync(database!, made!);
    mkdirSync(database!);
    writeFileSync(unfinished!, "");
    writeFileSync(join(database!, "PG_VERSION"), "18");
    const folder = await lockFolder(young, systemClock);
    t.equal(folder.database, database);
    t.notOk(existsSync(folder.database), "what it made is gone");
    t.ok(existsSync(unfinished!), "until this start has made the whole");
    // Making it again takes seven seconds of processor time: this is what the store made there before.
    renameSync(made!, folder.database);
    folder.complete();
    folder.release();
    const store = await open({ dataDir: young });
    const epochs = await store.claim([1]);
    t.equal(epochs.get(1), 1);
    await committed(store, batchOf(1, epochs, { 1: "kept" }));
    await store.close();
    const again = await open({ dataDir: young });
    t.same(await recovered(again, [1]), ["section 1 kept"], "and a finished one is not");
    await again.close();
  });

  await t.test("[D14] a folder whose files are broken is refused with a sentence", async (t) => {
    rmSync(join(dataDir, "pg", "global"), { recursive: true });
    await t.rejects(open({ dataDir }), refused("cannot-open", /the database in .* cannot be opened/));
  });
});
