import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { RELATIONS } from "../../src/store/check-rights.ts";
import type { StoreStartCode } from "../../src/store/errors.ts";
import { emptyDatabase, otherServerDatabase, testDatabase } from "../support/postgres.ts";
import { execute } from "../support/postgres-server.ts";
import { temporaryFolder } from "../support/serve.ts";
import { open } from "./fixture.ts";

const run = promisify(execFile);
const refused = (code: StoreStartCode, message: RegExp) => ({ name: "StoreStartError", code, message });

t.test("[D59] a role that only has grants on a restored database is refused at its start", async (t) => {
  const { url } = await testDatabase(t);
  const role = await newRole(t, url);
  const options = { dataDir: await temporaryFolder(t), databaseUrl: as(role, url) };
  await execute(
    url,
    `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${role};
     GRANT ALL ON SCHEMA public TO ${role}`,
  );
  const ofSuperuser = new RegExp(
    `belong to postgres, whose rights ${role} has not: restore with pg_restore --no-owner --role=${role}, or let ALTER TABLE`,
  );
  await t.rejects(open(options), refused("not-owner", ofSuperuser));

  const owner = await newRole(t, url);
  await execute(url, RELATIONS.map((name) => `ALTER TABLE ${name} OWNER TO ${owner}`).join(";"));
  await t.rejects(
    open(options),
    refused("not-owner", / belong to .*postgres, whose/),
    "partitions count too",
  );
  await giveTo(url, owner);
  const remedy = new RegExp(
    `belong to ${owner}, whose rights ${role} has not: start Muster as that role, or GRANT ${owner} TO ${role}$`,
  );
  await t.rejects(open(options), refused("not-owner", remedy));
  await execute(url, `GRANT ${owner} TO ${role}`);
  const member = await open(options);
  await member.close();

  await execute(url, `REVOKE ALL ON SCHEMA public FROM ${role}; GRANT USAGE ON SCHEMA public TO ${role}`);
  const schema = new RegExp(`${role} may make no tables in the schema public of .*: GRANT CREATE ON SCHEMA`);
  await t.rejects(open(options), refused("not-owner", schema));
});

t.test("[D59] what migrations made is known by name", async (t) => {
  const { url } = await testDatabase(t);
  const made = await execute<{ name: string }>(
    url,
    `SELECT relname AS name FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
     AND NOT relispartition AND NOT EXISTS (
       SELECT FROM pg_depend WHERE objid = c.oid AND classid = 'pg_class'::regclass AND (deptype = 'e' OR relkind = 'S' AND deptype IN ('a', 'i'))
     )`,
  );
  t.same(made.map(({ name }) => name).sort(), [...RELATIONS].sort());
});

t.test("[D59] a dump that is restored as docs/operations.md has it belongs to Muster's role", async (t) => {
  const { url } = await testDatabase(t);
  const other = await otherServerDatabase();
  const role = await newRole(t, other.url);
  const file = `${await temporaryFolder(t)}/dump`;
  await run(`${other.bin}/pg_dump`, ["-Fc", "-f", file, url]);
  await execute(
    other.url,
    `CREATE EXTENSION postgis; GRANT INSERT ON spatial_ref_sys TO ${role}; GRANT ALL ON SCHEMA public TO ${role}`,
  );
  const how = ["--no-owner", "--no-comments", `--role=${role}`, "--exit-on-error"];
  await run(`${other.bin}/pg_restore`, [...how, "-d", other.url, file]);
  const store = await open({ dataDir: await temporaryFolder(t), databaseUrl: as(role, other.url) });
  await store.close();

  // Another login, which acts as the role that owns all.
  const login = await newRole(t, other.url);
  await execute(other.url, `GRANT ${role} TO ${login}; ALTER ROLE ${login} SET role = ${role}`);
  await execute(
    other.url,
    `DO $$ DECLARE day text; BEGIN
       FOR day IN SELECT tablename FROM pg_tables WHERE tablename ~ '^(event|track)_[0-9]{8}$'
       LOOP EXECUTE 'DROP TABLE ' || day; END LOOP;
     END $$`,
  );
  const renamed = await open({ dataDir: await temporaryFolder(t), databaseUrl: as(login, other.url) });
  t.teardown(() => renamed.close());
  const owners = await execute(
    other.url,
    "SELECT DISTINCT tableowner AS owner FROM pg_tables WHERE tablename ~ '^(event|track)_[0-9]{8}$'",
  );
  t.same(owners, [{ owner: role }], "what it makes belongs to that one too");
});

t.test("[D14] what PostgreSQL refuses while it is prepared is told in a sentence", async (t) => {
  const { url } = await emptyDatabase(t);
  const role = await newRole(t, url);
  await execute(
    url,
    `GRANT ALL ON SCHEMA public TO ${role}; CREATE TABLE mikro_orm_migrations (id int); ALTER TABLE mikro_orm_migrations OWNER TO ${role}`,
  );
  await t.rejects(
    open({ dataDir: await temporaryFolder(t), databaseUrl: as(role, url) }),
    refused("cannot-open", /cannot be used: column "name" does not exist/),
  );
});

async function newRole(t: Test, url: string): Promise<string> {
  const name = `muster_${randomUUID().replaceAll("-", "")}`;
  await execute(url, `CREATE ROLE ${name} LOGIN PASSWORD 'plain'`);
  t.teardown(() => execute(url, `DROP OWNED BY ${name} CASCADE; DROP ROLE ${name}`));
  return name;
}

function as(role: string, url: string): string {
  const own = new URL(url);
  own.username = role;
  own.password = "plain";
  return own.href;
}

/** All tables in the schema but those of extensions. */
async function giveTo(url: string, role: string): Promise<void> {
  await execute(
    url,
    `DO $$ DECLARE name text; BEGIN
       FOR name IN SELECT relname FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
         AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
       LOOP EXECUTE format('ALTER TABLE %I OWNER TO ${role}', name); END LOOP;
     END $$`,
  );
}
