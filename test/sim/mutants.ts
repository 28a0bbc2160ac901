/** What keeps a cluster's data whole, each taken out: mutants that the simulation has to notice. */
import type { Mutant } from "../support/mutant.ts";
import type { Kind } from "./scenario.ts";

const STORE = "test/support/memory-cluster-store.ts";
const COMMIT = "src/actors/group-commit.ts";

interface ClusterMutant extends Mutant {
  /** Of the faults that show it. */
  kind: Kind;
  /** From which on seeds are tried, default 1: the first that noticed it when this was written. */
  seed?: number;
}

export const MUTANTS: readonly ClusterMutant[] = [
  {
    name: "a flush does not hold its fence: no FOR SHARE",
    kind: "freeze",
    file: STORE,
    from: "    await tx.share(row.fence);\n    return !row.down &&",
    to: "    return !row.down &&",
  },
  {
    name: "the gate is not asked before work is decided",
    kind: "pause",
    file: "src/actors/router.ts",
    from: "    if (!this.#gate.open) {",
    to: "    if (!this.#gate.open && this.#closed) {",
  },
  {
    name: "the gate is not asked before timers fire",
    kind: "pause",
    file: "src/actors/system.ts",
    from: "      !this.#gate.open ||\n",
    to: "",
  },
  {
    name: "the gate is not asked before a flush",
    kind: "all",
    seed: 3,
    file: COMMIT,
    from: "      if (!this.#gate.open) await this.#gate.passed();\n      if",
    to: "      if",
  },
  {
    name: "the gate is not asked before an answer",
    kind: "freeze",
    file: COMMIT,
    from: "    if (!this.#gate.open) await this.#gate.passed();\n    //",
    to: "    //",
  },
  {
    name: "a flush is let in under any generation",
    kind: "store",
    seed: 11,
    file: STORE,
    from: "!row.down && row.gen === key.gen",
    to: "!row.down",
  },
  {
    name: "a release is let in under any generation",
    kind: "store",
    seed: 2393,
    file: STORE,
    from: "    if (row.down || row.gen !== key.gen) return undefined;",
    to: "    if (row.down) return undefined;",
  },
  {
    name: "a flush whose outcome is unknown gets a new number",
    kind: "store",
    file: COMMIT,
    from: "await this.#journal.append(part, attempt)",
    to: "await this.#journal.append({ ...part, flushNo: attempt > 1 ? ++this.#flushNo : part.flushNo }, attempt)",
  },
  {
    name: "duplicates are not remembered",
    kind: "kill",
    seed: 2,
    file: "src/actors/receive.ts",
    from: "      if (table.duplicates.has(slot, report.t, hash, number, sourceSeq, t > newest)) return DUPLICATE;\n",
    to: "      void newest;\n      void number;\n",
  },
  {
    name: "command ids are not remembered",
    kind: "bus",
    seed: 8,
    file: "src/actors/entity-table.ts",
    from: "        shard.commands.remember(fact);",
    to: "",
  },
  {
    name: "the memory of commands is not in the checkpoint",
    kind: "leave",
    seed: 8,
    file: "src/actors/checkpoint.ts",
    from: "  shard.commands.write(out);",
    to: "  new CommandMemory().write(out);",
  },
  {
    name: "the memory of commands is not recovered from the journal",
    kind: "kill",
    seed: 8,
    file: "src/actors/entity-table.ts",
    from: "        shard.commands.remember(fact);",
    to: '        if (shard.status === "open") shard.commands.remember(fact);',
  },
  {
    name: "a command that comes again is answered at once",
    kind: "store",
    seed: 8,
    file: "src/actors/router.ts",
    from: "    this.#commit.join((verdict) => {\n      const settled",
    to: '    (duplicate ? (done: (verdict: "committed") => void) => done("committed") : this.#commit.join.bind(this.#commit))((verdict) => {\n      const settled',
  },
  {
    name: "deletions are not remembered",
    kind: "kill",
    seed: 32,
    file: "src/actors/entity-table.ts",
    from: "    shard.commands.rememberDeletion(number, id, deletionKey(command, id, erase), at, state);\n",
    to: "    void [deletionKey, command, at, state];\n",
  },
  {
    name: "the commands of what is deleted are forgotten",
    kind: "injected",
    seed: 43,
    file: "src/actors/command-memory.ts",
    from: "    this.#becomeFormer(number, entity);",
    to: "    for (const known of this.#byNumber.get(number)?.values() ?? []) this.#forget(known);",
  },
  {
    name: "a deletion is answered before its flush",
    kind: "store",
    seed: 32,
    file: "src/actors/router.ts",
    from: "    this.#commit.join((verdict) => {\n      const settled",
    to: '    (isDeletion(command) ? (done: (verdict: "committed") => void) => done("committed") : this.#commit.join.bind(this.#commit))((verdict) => {\n      const settled',
  },
  {
    name: "state is loaded before the claim commits",
    kind: "freeze",
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
    kind: "store",
    seed: 17,
    file: "src/cluster/member.ts",
    from: "    if (this.lease.isSteady)\n      for",
    to: "    if (this.lease.open)\n      for",
  },
  {
    name: "frames of a link are taken in any order",
    kind: "bus",
    file: "src/cluster/link-receiver.ts",
    from: "if (body.number === sender.received + 1)",
    to: "if (body.number > sender.received)",
  },
  {
    name: "after a hand-over that was given up, links go on as if nothing had been refused",
    kind: "store",
    seed: 10,
    file: "src/cluster/cluster.ts",
    from: "    receiver.keeping(epochs);\n",
    to: "    void receiver;\n",
  },
  {
    name: "entities keep their old epoch when their shard is opened",
    kind: "freeze",
    file: "src/actors/recovery.ts",
    from: "picture.columns.epoch.set(slot, shard.epoch);",
    to: "picture.columns.epoch.set(slot, shard.epoch - 1);",
  },
];

/** What is worse than anything that can be, and still must lose nothing. */
export const HARDSHIPS: readonly Mutant[] = [
  {
    name: "a link takes one frame at a time",
    file: "src/cluster/link-sender.ts",
    from: "if (this.#bytes + this.#openBytes >= LINK_WINDOW_BYTES) {",
    to: "if (this.#bytes > 0) {",
  },
];
