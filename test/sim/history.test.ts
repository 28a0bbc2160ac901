// The judge of simulations, on made-up histories of one entity that is deleted: a good one passes, and what is wrong with a bad one is found and named.
import t from "tap";
import { ByteWriter } from "../../src/actors/bytes.ts";
import { encodeCheckpoint } from "../../src/actors/checkpoint.ts";
import { OUTCOME } from "../../src/actors/command-memory.ts";
import { EntityTable } from "../../src/actors/entity-table.ts";
import { emptyReported, SECTION_VERSION, writeFact } from "../../src/actors/fact-codec.ts";
import type { Fact } from "../../src/actors/facts.ts";
import type { CommandResult, Request } from "../../src/actors/messages.ts";
import { Picture } from "../../src/picture/picture.ts";
import type { FullRecord } from "../../src/transport/feed/protocol.ts";
import { checkView } from "./at-rest.ts";
import { Seen } from "./seen.ts";
import { Violation } from "./violation.ts";
import { World } from "./world.ts";

const NODE = "node-1";

/** A world in which only the history is made, by hand. Its one shard is number 0. */
class Made {
  readonly world = new World(1);
  readonly seen = new Seen(this.world.history, "for a viewer");
  /** Moments at which something was sent or asked last, by its number or id. */
  readonly since = new Map<number | string, number>();
  rows = 0;

  constructor() {
    const { database } = this.world;
    database.shards[0] = { owner: NODE, epoch: 1 };
    database.watch.claimed!(0, 1, NODE);
  }

  get history() {
    return this.world.history;
  }
}

type Step = (made: Made) => void;

const commit =
  (...facts: Fact[]): Step =>
  (made) => {
    const { database } = made.world;
    const out = new ByteWriter(64);
    out.u8(SECTION_VERSION);
    for (const fact of facts) writeFact(fact, out);
    const sections = [{ shard: 0, epoch: 1, body: out.bytes.slice(0, out.length) }];
    const id = ++made.rows;
    const row = { id, incarnation: NODE, batch: { flushNo: id, sections, tMin: 0, tMax: 0, events: [] } };
    database.journal.push(row);
    database.watch.appended!(row);
  };
const begin = (number: number): Fact => ({ is: "introduced", number, seq: 1, id: "a", kind: "ship" });
const stored = (number: number, seq: number, n: number): Fact => ({
  ...{ ...emptyReported(), number, seq, sourceSeq: n },
});
const deleted = (number: number, seq: number, command = "d", erase = false): Fact => ({
  ...{ is: "deleted", number, seq, command, at: 0, erase, id: "a" },
});
const commanded = (number: number, seq: number): Fact => ({
  ...{ is: "commanded", number, seq, id: "c", at: 0, outcome: OUTCOME.accepted, state: "" },
});
const removed = (number: number): Fact => ({ is: "removed", number, seq: 0 });

const sent =
  (n: number): Step =>
  ({ history, since }) => {
    since.set(n, history.lives.moment);
    history.sent.submitted("a", n, NODE, history.lives.moment);
  };
const acknowledged =
  (n: number): Step =>
  ({ history, since }) =>
    history.acknowledged("a", n, NODE, since.get(n)!);
const DELETION: Request = { id: "d", entity: "a", erase: false };
const ERASURE: Request = { id: "d", entity: "a", erase: true };
const COMMAND: Request = { id: "c", entity: "a", name: "sign-off" };
const DONE: CommandResult = { accepted: true, state: "" };
const NOT_FOUND: CommandResult = { accepted: false, type: "entity-not-found", detail: "" };
const asked =
  ({ id }: Request): Step =>
  ({ history, since }) =>
    void since.set(id, history.lives.moment);
const answered =
  (request: Request, result: CommandResult = DONE): Step =>
  ({ history, since }) =>
    history.answered(request, result, NODE, since.get(request.id)!);
/** At rest: the entity as its owner has it, by its seq. */
const rest =
  (seq: number | undefined): Step =>
  ({ history: { lives } }) => {
    lives.checkState(new Map(seq === undefined ? [] : [["a", seq]]));
    lives.checkOrder();
  };
const decided: Step = ({ history }) => history.decided("a", 1);
const seen =
  (epoch: number, seq: number): Step =>
  (made) =>
    made.seen.see("a", epoch, seq);
/** At rest, a viewer has it, and nobody else does. */
const shown: Step = () => checkView("n1", new Map([["a", { id: "a" } as FullRecord]]), new Map());
const emptied: Step = ({ world }) => {
  world.database.journal = [];
};
const checkpointed: Step = ({ world: { database } }) => {
  const table = new EntityTable(new Picture());
  table.apply(table.shards[0], begin(0));
  const body = encodeCheckpoint(table, table.shards[0]);
  database.checkpoints.set(0, { shard: 0, epoch: 1, mark: 1, body });
};

/** @returns the invariant that does not hold. */
function judge(steps: readonly Step[]): string | undefined {
  const made = new Made();
  try {
    for (const step of steps) step(made);
    if (made.world.failure !== undefined) throw made.world.failure;
  } catch (error) {
    if (error instanceof Violation) return error.invariant;
    throw error;
  }
  return undefined;
}

/** It has lived, with the reports 0 and 1. */
const LIVED: readonly Step[] = [
  sent(0),
  sent(1),
  commit(begin(0), stored(0, 2, 0), stored(0, 3, 1)),
  acknowledged(0),
  acknowledged(1),
];
const DELETED = [...LIVED, asked(DELETION), commit(deleted(0, 4)), answered(DELETION)];
/** It lives again, with report 2. */
const AGAIN = [...DELETED, sent(2), commit(begin(1), stored(1, 2, 2)), acknowledged(2)];
const ERASING = [...LIVED, asked(ERASURE), commit(deleted(0, 4, "d", true))];
const ERASED = [...ERASING, emptied, commit(removed(0))];

const CHANGED: readonly Step[] = [commit(begin(1), stored(1, 2, 3), stored(1, 3, 2)), rest(3)];

const GOOD: [what: string, steps: readonly Step[]][] = [
  ["it is deleted", [...DELETED, rest(undefined)]],
  ["it lives again, and a deletion that comes again is answered", [...AGAIN, answered(DELETION), rest(2)]],
  [
    "who asked while it was not there is told so",
    [...LIVED, asked(COMMAND), ...DELETED.slice(5), answered(COMMAND, NOT_FOUND)],
  ],
  [
    "what was not answered is stored in both lives",
    [
      sent(0),
      sent(1),
      commit(begin(0), stored(0, 2, 0), stored(0, 3, 1), deleted(0, 4)),
      commit(begin(1), stored(1, 2, 1)),
      acknowledged(1),
      rest(2),
    ],
  ],
  [
    "it is erased, and lives again",
    [...ERASED, answered(ERASURE), sent(2), commit(begin(1), stored(1, 2, 2)), acknowledged(2), rest(2)],
  ],
  [
    "it is erased without having been there",
    [
      asked(ERASURE),
      commit(deleted(0, 1, "d", true)),
      emptied,
      commit(removed(0)),
      answered(ERASURE),
      rest(undefined),
    ],
  ],
  [
    "a refusal while it was erased was lost, and what came later was not refused",
    [...ERASING, sent(2), sent(3), emptied, commit(removed(0)), ...CHANGED],
  ],
  ["viewers see both lives", [...AGAIN, seen(1, 3), decided, seen(1, 2), seen(2, 2)]],
];

const BAD: [what: string, invariant: string, steps: readonly Step[]][] = [
  ["lost: a deletion is answered and not stored", "C3", [...LIVED, asked(DELETION), answered(DELETION)]],
  ["lost: an owner goes on with it", "C3", [...DELETED, sent(2), commit(stored(0, 5, 2))]],
  ["lost: an owner has it at rest", "C3", [...DELETED, rest(3)]],
  ["lost: a viewer has it at rest", "C6", [...DELETED, shown]],
  ["lost: the life after it", "C3", [...AGAIN, rest(undefined)]],
  ["lost: it is not known any more", "C4", [...DELETED, asked(DELETION), answered(DELETION, NOT_FOUND)]],
  ["lost: what is there is not found", "C3", [...LIVED, asked(DELETION), answered(DELETION, NOT_FOUND)]],
  ["lost: a life begins over another", "C3", [...LIVED, sent(2), commit(begin(1), stored(1, 2, 2))]],
  ["doubled: it takes the next life too", "C4", [...AGAIN, commit(deleted(1, 3))]],
  ["doubled: a report of before begins a life", "once", [...DELETED, commit(begin(1), stored(1, 2, 1))]],
  [
    "doubled: a command is carried out in both lives",
    "C4",
    [
      ...LIVED,
      asked(COMMAND),
      commit(commanded(0, 4)),
      answered(COMMAND),
      commit(deleted(0, 5)),
      sent(2),
      commit(begin(1), stored(1, 2, 2), commanded(1, 3)),
    ],
  ],
  [
    "reordered: a report of after it counts for the life before",
    "C3",
    [...DELETED, sent(1), acknowledged(1)],
  ],
  [
    "reordered: reports change places over it",
    "order",
    [
      sent(0),
      sent(1),
      commit(begin(0), stored(0, 2, 1)),
      commit(deleted(0, 3)),
      commit(begin(1), stored(1, 2, 0)),
      rest(2),
    ],
  ],
  [
    "contradicted: the state of what was deleted",
    "C4",
    [...DELETED, answered(DELETION, { accepted: true, state: "offline" })],
  ],
  ["an erasure is answered before its end", "erased", [...ERASING, answered(ERASURE)]],
  [
    "an erasure is answered while the journal has it",
    "erased",
    [...ERASING, commit(removed(0)), answered(ERASURE)],
  ],
  [
    "an erasure is answered while the checkpoint has it",
    "erased",
    [...ERASED, checkpointed, answered(ERASURE)],
  ],
  [
    "a life begins while its id is erased",
    "erased",
    [...ERASING, sent(2), commit(begin(1), stored(1, 2, 2))],
  ],
  ["reordered: reports change places after an erasure", "order", [...ERASED, sent(2), sent(3), ...CHANGED]],
  ["an erasure ends twice", "once", [...ERASED, commit(removed(0))]],
  ["there is nothing to erase", "C3", [asked(ERASURE), answered(ERASURE, NOT_FOUND)]],
  ["a viewer sees it go back without a deletion", "C5", [...LIVED, seen(1, 3), seen(1, 2)]],
  [
    "a viewer sees the life before again",
    "C5",
    [...AGAIN, decided, seen(1, 3), seen(1, 1), seen(1, 3), seen(1, 2)],
  ],
  ["a viewer sees an older epoch", "C5", [...AGAIN, decided, seen(2, 1), seen(1, 3)]],
];

for (const [what, steps] of GOOD) t.test(`right: ${what}`, async (t) => t.equal(judge(steps), undefined));
for (const [what, invariant, steps] of BAD)
  t.test(`found: ${what}`, async (t) => t.equal(judge(steps), invariant));
