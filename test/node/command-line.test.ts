import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { madeDataDir } from "../support/data-dir.ts";
import { testDatabase } from "../support/postgres.ts";
import { run, serve, serveOnPostgres, TOKEN, temporaryFolder } from "../support/serve.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
/** How commands are called after `npm ci`, whatever Node.js the machine has. */
const CALL = "npm run -s muster --";

t.test("[N5] a second start on the same folder is refused, the first goes on", async (t) => {
  const dataDir = await madeDataDir(t);
  const first = await serve(t, { dataDir });
  const second = run(t, ["serve"], { PORT: "0", MUSTER_DATA_DIR: dataDir });
  t.equal(await second.ended, 1);
  t.match(second.output(), /the data folder .* is in use by process \d+/);
  t.notMatch(second.output(), /\n\s+at /, "a sentence, not a stack");
  t.equal((await fetch(`${first.url}/readyz`)).status, 200);
  const taken = run(t, ["serve"], {
    PORT: new URL(first.url).port,
    DATABASE_URL: (await testDatabase(t)).url,
    MUSTER_DATA_DIR: await temporaryFolder(t),
  });
  t.equal(await taken.ended, 2);
  t.match(taken.output(), /port \d+ on 127\.0\.0\.1 is in use: set PORT to another/);
  t.equal(await first.end("SIGTERM"), 0);
});

t.test("[N6] mistakes in the environment and in the arguments", async (t) => {
  const wrong = run(t, ["serve"], {
    PORT: "99999",
    LOG_LEVEL: "loud",
    MUSTER_STALE_AFTR: "3",
    HOST: "0.0.0.0",
  });
  t.equal(await wrong.ended, 2);
  for (const named of ["PORT", "LOG_LEVEL", "MUSTER_STALE_AFTR", "HOST"]) t.match(wrong.output(), named);
  for (const [args, said] of [
    [["fly"], /there is no command fly/],
    [["serve", "--fast"], /fast/],
    [["replay"], /replay takes one FILE/],
    [["replay", "x", "--speed", "-1"], /--speed|argument/],
    [["replay", "x", "--speed", "Infinity"], /--speed Infinity needs --keep-time/],
    [["replay", "x", "--loop", "--keep-time"], /exclude each other/],
    [["replay", "/nowhere.ndjson"], /nowhere\.ndjson/],
  ] as const) {
    const { ended, output } = run(t, [...args], { MUSTER_DATA_DIR: await temporaryFolder(t) });
    t.not(await ended, 0, args.join(" "));
    t.match(output(), said);
    t.notMatch(output(), /\n\s+at /, "no stack");
  }
  const hinted = run(t, ["fly"]);
  await hinted.ended;
  t.match(hinted.output(), /See: npm run -s muster help$/m);
  t.match(readFileSync(join(PROJECT, "package.json"), "utf8"), '"muster": "exec node src/main.ts"');
  const help = run(t, ["--help"]);
  t.equal(await help.ended, 0);
  t.match(readFileSync(join(PROJECT, "README.md"), "utf8"), CALL, "as the README says it");
  t.match(help.output(), `${CALL} replay data/ais-helsinki/helsinki.ndjson --speed 20`);
  for (const word of ["serve", "replay", "token", "Examples", "DATABASE_URL", "MUSTER_ADMIN_TOKEN"])
    t.match(help.output(), word);
  t.notMatch(help.output(), "unrecognized", "V8 knows the flag that it is given");
});

t.test("[N6] a HOST that cannot be listened on is told in a sentence", async (t) => {
  const database = { DATABASE_URL: (await testDatabase(t)).url, MUSTER_DATA_DIR: await temporaryFolder(t) };
  for (const [host, said] of [
    ["no-such-host.invalid", /ENOTFOUND|EAI_AGAIN/],
    ["192.0.2.1", /EADDRNOTAVAIL/],
    ["fe80::1", /EINVAL|EADDRNOTAVAIL/],
  ] as const)
    for (const server of ["ws", "auto"]) {
      const env = { ...database, PORT: "0", HOST: host, MUSTER_ADMIN_TOKEN: TOKEN, MUSTER_SERVER: server };
      const { ended, output } = run(t, ["serve"], env);
      t.equal(await ended, 2, output());
      t.match(output(), new RegExp(`^muster: cannot listen on ${host} port 0: .*(${said.source})`, "m"));
      t.notMatch(output(), /\n\s+at /, "no stack");
    }
});

t.test("[N6] an option that npm took as its own is missed", async (t) => {
  const file = "data/ais-helsinki/helsinki.ndjson";
  const asked = ["replay", file, "--speed", "-1", "--keep-time"];
  for (const [dashes, said] of [
    [[], /npm took --speed as its own\. .*\. See: npm run -s muster help/],
    [["--"], /--speed' argument is ambiguous/],
  ] as const) {
    const npm = spawn("npm", ["run", "-s", "muster", ...dashes, ...asked], { cwd: PROJECT });
    t.teardown(() => npm.kill("SIGKILL"));
    let text = "";
    npm.stderr.on("data", (chunk) => (text += chunk));
    const [code] = await once(npm, "close");
    t.equal(code, 2);
    t.match(text, said);
  }
});

t.test("[N6] the first start makes a token, prints it in a URL, and keeps it", async (t) => {
  const dataDir = await madeDataDir(t);
  const node = await serve(t, { dataDir, env: { MUSTER_ADMIN_TOKEN: "" } });
  const token = /\?token=(\S+)/.exec(node.output())?.[1] ?? "";
  t.equal(readFileSync(join(dataDir, "admin-token"), "utf8").trim(), token);
  t.equal(statSync(join(dataDir, "admin-token")).mode & 0o077, 0, "nobody else may read it");
  const printed = run(t, ["token"], { MUSTER_DATA_DIR: dataDir });
  await printed.ended;
  t.equal(printed.output().trim(), token);
  const list = (headers: Record<string, string>) => fetch(`${node.url}/v1/entities`, { headers });
  t.equal((await list({})).status, 401);
  t.equal((await list({ authorization: "Bearer wrong" })).status, 401);
  t.equal((await list({ authorization: `Bearer ${token}` })).status, 200);
  const page = await fetch(`${node.url}/?token=${token}&x=1`, { redirect: "manual" });
  t.match(page.headers.get("set-cookie"), /HttpOnly/i);
  t.notMatch(page.headers.get("location"), "token");
  t.equal(await node.end("SIGTERM"), 0);
});

t.test("[A10] where no node was started there is no token, and none is made", async (t) => {
  const dataDir = join(await temporaryFolder(t), "none");
  for (const args of [["token"], ["replay", join(PROJECT, "data/ais-helsinki/helsinki.ndjson")]]) {
    const asked = run(t, args, { MUSTER_DATA_DIR: dataDir });
    t.equal(await asked.ended, 1);
    t.match(asked.output(), `there is no token in ${dataDir}, for no node was started`);
    t.notMatch(asked.output(), /\n\s+at /, "a sentence, not a stack");
    t.equal(existsSync(dataDir), false);
  }
  const given = run(t, ["token"], { MUSTER_DATA_DIR: dataDir, MUSTER_ADMIN_TOKEN: TOKEN });
  t.equal(await given.ended, 0);
  t.equal(given.output(), `${TOKEN}\n`);
});

t.test("[A9] [R9] a wrong token is told to a feed, and ends a replay with a sentence", async (t) => {
  const node = await serveOnPostgres(t);
  const feed = `${node.url.replace("http", "ws")}/v1/feed?token=wrong`;
  const closed = await once(new WebSocket(feed, ["muster.v1.json"]), "close");
  t.equal((closed[0] as CloseEvent).code, 4401);
  const file = new URL("../../data/ais-helsinki/helsinki.ndjson", import.meta.url).pathname;
  const { ended, output } = run(t, ["replay", file, "--url", node.url, "--token", "wrong"]);
  t.equal(await ended, 1);
  t.match(output(), /the connection is closed: the token is missing or wrong \(4401\)/);
  t.notMatch(output(), /\n\s+at /, "a sentence, not a stack");
  t.equal(await node.end("SIGTERM"), 0);
  for (const url of ["localhost:8080", "ftp://node", "node"]) {
    const misused = run(t, ["replay", file, "--url", url, "--token", TOKEN]);
    t.equal(await misused.ended, 2);
    t.match(misused.output(), `muster: --url ${url}: `);
    t.notMatch(misused.output(), /\n\s+at /);
  }
});

t.test("[A18] a node of a cluster says that it needs the token of the others", async (t) => {
  const cluster = { DATABASE_URL: "postgres://127.0.0.1:1/muster", REDIS_URL: "redis://127.0.0.1:1" };
  for (const [env, lines] of [
    [cluster, 1],
    [{ ...cluster, MUSTER_ADMIN_TOKEN: TOKEN }, 0],
    [{ DATABASE_URL: cluster.DATABASE_URL }, 0],
  ] as const) {
    const { ended, output } = run(t, ["serve"], { ...env, PORT: "0", MUSTER_DATA_DIR: t.testdir() });
    t.equal(await ended, 1, "neither is there");
    t.equal(output().match(/"level":40,.*MUSTER_ADMIN_TOKEN/g)?.length ?? 0, lines);
  }
});
