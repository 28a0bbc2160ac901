/** What keeps a cluster's data whole, each taken out: mutants that the simulation has to notice. */
import type { Mutant } from "../support/mutant.ts";

const STORE = "test/support/memory-cluster-store.ts";
const COMMIT = "src/actors/group-commit.ts";

export const MUTANTS: readonly Mutant[] = [
  {
    name: "a flush does not hold its fence: no FOR SHARE",
    file: STORE,
    from: "    await tx.share(row.fence);\n    return !row.down &&",
    to: "    return !row.down &&",
  },
  {
    name: "the gate is not asked before work is decided",
    file: "src/actors/router.ts",
    from: "    if (!this.#gate.open) {",
    to: "    if (!this.#gate.open && this.#closed) {",
  },
  {
    name: "the gate is not asked before timers fire",
    file: "src/actors/system.ts",
    from: "      !this.#gate.open ||\n",
    to: "",
  },
  {
    name: "the gate is not asked before a flush",
    file: COMMIT,
    from: "      if (!this.#gate.open) await this.#gate.passed();\n      if",
    to: "      if",
  },
  {
    name: "the gate is not asked before an answer",
    file: COMMIT,
    from: "    if (!this.#gate.open) await this.#gate.passed();\n    //",
    to: "    //",
  },
  {
    name: "a flush is let in under any generation",
    file: STORE,
    from: "!row.down && row.gen === key.gen",
    to: "!row.down",
  },
  {
    name: "a release is let in under any generation",
    file: STORE,
    from: "    if (row.down || row.gen !== key.gen) return undefined;",
    to: "    if (row.down) return undefined;",
  },
  {
    name: "a flush whose outcome is unknown gets a new number",
    file: COMMIT,
    from: "await this.#journal.append(part, attempt)",
    to: "await this.#journal.append({ ...part, flushNo: attempt > 1 ? ++this.#flushNo : part.flushNo }, attempt)",
  },
  {
    name: "duplicates are not remembered",
    file: "src/actors/receive.ts",
    from: "      if (table.duplicates.has(slot, report.t, hash, number, sourceSeq, t > newest)) return DUPLICATE;\n",
    to: "      void newest;\n      void number;\n",
  },
  {
    name: "state is loaded before the claim commits",
    file: STORE,
    from: "    const wanted = this.#draining ? [] : shards;\n",
    to: `    const wanted = this.#draining ? [] : shards;
    const early: RecoveryItem[] = [];
    for await (const item of MemoryClusterStore.prototype.recover.call(this, shards)) early.push(item);
    this.recover = async function* (some) {
      for (const item of early)
        if (some.includes(item.is === "section" ? item.section.shard : item.checkpoint.shard)) yield item;
    };
`,
  },
  {
    name: "who is not steady evicts",
    file: "src/cluster/member.ts",
    from: "    if (this.lease.isSteady)\n      for",
    to: "    if (this.lease.open)\n      for",
  },
  {
    name: "frames of a link are taken in any order",
    file: "src/cluster/link-receiver.ts",
    from: "if (body.number === sender.received + 1)",
    to: "if (body.number > sender.received)",
  },
  {
    name: "entities keep their old epoch when their shard is opened",
    file: "src/actors/recovery.ts",
    from: "picture.columns.epoch[slot] = shard.epoch;",
    to: "picture.columns.epoch[slot] = shard.epoch - 1;",
  },
];

/** What is worse than anything that can be, and still must lose nothing. */
export const HARDSHIPS: readonly Mutant[] = [
  {
    name: "a link takes one frame at a time",
    file: "src/cluster/link-sender.ts",
    from: "if (this.#bytes + out.length >= LINK_WINDOW_BYTES) {",
    to: "if (this.#bytes > 0) {",
  },
];
