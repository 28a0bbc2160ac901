import { defineEntity, p } from "@mikro-orm/core";

/** What all nodes of a database agree on; a node with other values must not join. One row. */
export const Cluster = defineEntity({
  name: "Cluster",
  tableName: "cluster",
  properties: {
    name: p.text().primary(),
    shards: p.integer(),
    hash: p.text(),
    protocol: p.integer(),
    /** Rises when the database was restored or moved: cursors of older eras stay valid. */
    era: p.integer(),
    /** The server that the era is of, and its timeline. */
    server: p.text(),
  },
});
