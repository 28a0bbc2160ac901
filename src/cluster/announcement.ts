/** What nodes tell each other, `[shard, epoch]` each. Hints: all of it may be lost. */
export type Announcement =
  /** Open at the sender. */
  | { is: "open"; shards: [number, number][] }
  /** Released by the sender: free. */
  | { is: "released"; shards: [number, number][] }
  /** The sender hands over all it has. */
  | { is: "leaving" };
