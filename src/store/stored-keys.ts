/** Keys behind their port: the row of each, as it is now. Of a key itself there is only the hash. */
import type { PoolClient } from "pg";
import { MAX_KEYS } from "../access/limits.ts";
import type { KeyChange, KeyStore, StoredKey } from "../access/store-ports.ts";
import { listOfTexts } from "./list-text.ts";
import { raiseRevision, takeTurn } from "./next-version.ts";
import { inTransaction, type StoreContext, withClient } from "./session.ts";

const PART = "keys";
const COLUMNS = `k.id, k.revision::float8 AS revision, k.name, encode(k.hash, 'hex') AS hash, k.roles, k.attributes,
  extract(epoch FROM k.created_at)::float8 * 1000 AS created_at, extract(epoch FROM k.expires_at)::float8 * 1000 AS expires_at`;

/** No row = nothing is newer; one without an id = nothing is but removals. Input: a revision. */
const SINCE = `
SELECT c.revision::float8 AS newest, (SELECT count(*)::int FROM access_key) AS count, ${COLUMNS}
FROM configuration c LEFT JOIN access_key k ON k.revision > $1 WHERE c.name = '${PART}' AND c.revision > $1`;
const IDS = "SELECT id FROM access_key";
const COUNT = "SELECT count(*)::int AS n FROM access_key";
/** Inputs: id, revision, name, hash, roles, attributes, when it is made and when it expires (Unix ms). */
const CREATE = `
INSERT INTO access_key AS k (id, revision, name, hash, roles, attributes, created_at, expires_at)
VALUES ($1, $2, $3, decode($4, 'hex'), $5, $6, to_timestamp($7::float8 / 1000), to_timestamp($8::float8 / 1000))
RETURNING ${COLUMNS}`;
/** Inputs: id, revision; name, roles, attributes, or null; whether it expires at another time, and when (Unix ms) or null for never. */
const CHANGE = `
UPDATE access_key AS k SET revision = $2, name = coalesce($3, name), roles = coalesce($4::text[], roles),
  attributes = coalesce($5::json, attributes),
  expires_at = CASE WHEN $6::boolean THEN to_timestamp($7::float8 / 1000) ELSE expires_at END
WHERE id = $1 RETURNING ${COLUMNS}`;
const REMOVE = "DELETE FROM access_key WHERE id = $1";

interface Row extends Pick<StoredKey, "id" | "revision" | "name" | "hash" | "attributes"> {
  roles: string[];
  created_at: number;
  expires_at: number | null;
}

export class StoredKeys implements KeyStore {
  readonly #context: StoreContext;

  constructor(context: StoreContext) {
    this.#context = context;
  }

  since(revision: number): ReturnType<KeyStore["since"]> {
    return withClient(this.#context, async (client) => {
      type Found = { newest: number; count: number } & (Row | { id: null });
      const { rows } = await client.query<Found>(SINCE, [revision]);
      const [first] = rows;
      if (first === undefined) return undefined;
      const keys = rows.flatMap((row) => (row.id === null ? [] : keyOf(row)));
      return { revision: first.newest, count: first.count, keys };
    });
  }

  ids(): Promise<string[]> {
    return withClient(this.#context, async (client) => {
      const { rows } = await client.query<{ id: string }>(IDS);
      return rows.map(({ id }) => id);
    });
  }

  create(key: Omit<StoredKey, "revision">): Promise<StoredKey | undefined> {
    return this.#inTurn(async (client, revision) => {
      const { rows } = await client.query<{ n: number }>(COUNT);
      if (rows[0]!.n >= MAX_KEYS) return undefined;
      const { id, name, hash, roles, attributes, createdAt, expires } = key;
      const values = [id, revision, name, hash, listOfTexts(roles), JSON.stringify(attributes)];
      const made = await client.query<Row>(CREATE, [...values, createdAt, expires ?? null]);
      return keyOf(made.rows[0]!);
    });
  }

  change(id: string, { name, roles, attributes, expires }: KeyChange): Promise<StoredKey | undefined> {
    return this.#inTurn(async (client, revision) => {
      const { rows } = await client.query<Row>(CHANGE, [
        ...[id, revision, name ?? null],
        roles === undefined ? null : listOfTexts(roles),
        attributes === undefined ? null : JSON.stringify(attributes),
        ...[expires !== undefined, expires ?? null],
      ]);
      return rows[0] && keyOf(rows[0]);
    });
  }

  async remove(id: string): Promise<boolean> {
    const removed = await this.#inTurn(async (client) => {
      const { rowCount } = await client.query(REMOVE, [id]);
      return rowCount === 1 ? true : undefined;
    });
    return removed === true;
  }

  /** @param work what it makes of a revision; `undefined` = nothing. */
  #inTurn<T>(work: (client: PoolClient, revision: number) => Promise<T | undefined>): Promise<T | undefined> {
    return inTransaction(this.#context, async (client) => {
      const revision = await takeTurn(client, PART);
      const made = await work(client, revision);
      if (made !== undefined) await raiseRevision(client, PART, revision);
      return made;
    });
  }
}

function keyOf({ id, revision, name, hash, roles, attributes, created_at, expires_at }: Row): StoredKey {
  const expires = expires_at === null ? {} : { expires: Math.round(expires_at) };
  return { id, revision, name, hash, roles, attributes, createdAt: Math.round(created_at), ...expires };
}
