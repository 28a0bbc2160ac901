// Reports, deletions and erasures of a few entities, in any order, on a store that loses, refuses and delays, under nodes that crash at any moment.
import assert from "node:assert/strict";
import t from "tap";
import type { CommandResult } from "../../src/actors/messages.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { type Harness, report, seen, startSystem } from "../support/actor-system.ts";
import { ErasableStore, storedText } from "../support/erasable-store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { fc, runs } from "../support/seeded.ts";

/** The first three are of one shard. */
const IDS = names();

function names(): string[] {
  const found: string[] = [];
  for (let i = 0; found.length < 3; i++)
    if (shardOf(`ghost-${i}`) === shardOf("ghost-0")) found.push(`ghost-${i}`);
  return [...found, "elsewhere"];
}

/** Where it was, which no other report says. */
const lonOf = (n: number) => 25 + n / 7_919;

function bytesOf(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes.toString("latin1");
}

const entity = fc.nat(IDS.length - 1);
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ is: fc.constant("report" as const), entity }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant("erase" as const), entity }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("delete" as const), entity }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("repeat" as const), entity }) },
  {
    weight: 4,
    arbitrary: fc.record({ is: fc.constant("wait" as const), ms: fc.constantFrom(1, 7, 40, 900, 4_000) }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("settle" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ is: fc.constantFrom("crash" as const, "lose" as const, "poison" as const) }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant("move" as const) }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant("fault" as const), times: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({ is: fc.constantFrom("away" as const, "landed" as const), ms: fc.nat(2_000) }),
  },
);

/** What is known of one id: in which order things were asked, and what came of it. */
interface Known {
  /** Of the reports: the number of the newest that was acknowledged. */
  acknowledged: number;
  /** Numbers of the newest deletion that was asked for, and of the newest erasure; and of the newest of either that was answered. */
  asked: number;
  erased: number;
  answered: number;
  reported: number;
  last: { id: string; n: number } | undefined;
}

class History {
  readonly store = new ErasableStore();
  readonly clock = new FakeClock();
  readonly known = new Map<string, Known>(
    IDS.map((id) => [
      id,
      { acknowledged: -1, asked: -1, erased: -1, answered: -1, reported: -1, last: undefined },
    ]),
  );
  done = 0;
  node!: Harness;
  /** Number of a report → whose it is. */
  readonly #owners = new Map<number, string>();
  readonly #wrong: string[] = [];
  #n = 0;
  #faults = 0;

  constructor() {
    this.store.answers = () => this.#faults-- <= 0;
    this.store.onErase = (id) => {
      const { acknowledged, erased } = this.known.get(id)!;
      assert.ok(acknowledged <= erased, `${id}: what was acknowledged after its erasure is erased`);
    };
  }

  async start(): Promise<void> {
    this.node?.system.abandon();
    this.store.away = "no";
    this.node = await startSystem({ store: this.store, clock: this.clock, traces: this.store.traces });
  }

  async report(id: string): Promise<void> {
    const n = this.#n++;
    const known = this.known.get(id)!;
    this.#owners.set(n, id);
    known.reported = n;
    const answer = this.node.system.router.submit([
      report(id, n, { lon: lonOf(n), speed: n % 2 === 0 ? 5 : 0, attributes: { n, mark: `<${n}>` } }),
    ]);
    void answer.then(({ accepted }) => {
      if (accepted === 1) known.acknowledged = Math.max(known.acknowledged, n);
    });
  }

  remove(id: string, erase: boolean): void {
    const n = this.#n++;
    const known = this.known.get(id)!;
    known.asked = n;
    if (!erase) void this.node.system.router.command({ id: `c${n}`, entity: id, erase });
    else {
      known.erased = n;
      known.last = { id: `c${n}`, n };
      this.#erase(id, known.last);
    }
  }

  /** Asks once more for the newest erasure, if nothing was asked since. */
  repeat(id: string): void {
    const { last, asked, reported } = this.known.get(id)!;
    if (last !== undefined && last.n === asked && last.n > reported) this.#erase(id, last);
  }

  #erase(id: string, { id: command, n }: { id: string; n: number }): void {
    const known = this.known.get(id)!;
    void this.node.system.router
      .command({ id: command, entity: id, erase: true })
      .then((result: CommandResult) => {
        if (!result.accepted) return;
        this.done += 1;
        known.answered = Math.max(known.answered, n);
        const text = storedText(this.store);
        const own = [...this.#owners].filter(([mark, owner]) => mark <= n && owner === id);
        if (own.some(([mark]) => text.includes(`<${mark}>`) || text.includes(bytesOf(lonOf(mark)))))
          this.#wrong.push(`${id}: what it reported before its erasure is there after it`);
        if (known.reported < n && known.asked === n && text.includes(id))
          this.#wrong.push(`${id} is there after its erasure`);
      });
  }

  async act(one: typeof action extends fc.Arbitrary<infer T> ? T : never): Promise<void> {
    switch (one.is) {
      case "report":
        await this.report(IDS[one.entity]!);
        break;
      case "erase":
      case "delete":
        this.remove(IDS[one.entity]!, one.is === "erase");
        break;
      case "repeat":
        this.repeat(IDS[one.entity]!);
        break;
      case "wait":
        await this.clock.advance(one.ms);
        break;
      case "settle":
        for (let i = 0; i < 40; i++) await this.clock.advance(500);
        break;
      case "crash":
        await this.start();
        break;
      case "lose":
        this.store.fenced = true;
        break;
      case "poison": {
        const neighbour = IDS[2]!;
        this.store.poison = ({ events }) => events.some(({ subject }) => subject === neighbour);
        await this.report(neighbour);
        await this.clock.advance(500);
        this.store.poison = () => false;
        break;
      }
      case "move": {
        const shard = shardOf(IDS[0]!);
        const { ownership } = this.node.system;
        const moved = ownership
          .handOver([shard], async () => {})
          .then(async (isGiven) => {
            if (isGiven) await ownership.reopen([shard]);
          });
        await this.clock.advance(3_000);
        await moved;
        break;
      }
      case "fault":
        this.#faults = one.times;
        break;
      case "away":
      case "landed":
        this.store.away = one.is === "away" ? "before" : "after";
        await this.clock.advance(one.ms);
        this.store.away = "no";
        break;
      default:
        one satisfies never;
    }
    this.#check();
  }

  #check(): void {
    assert.deepEqual(this.node.fatal, []);
    assert.deepEqual(this.#wrong, []);
  }

  /** Once nothing fails any more: all that was decided is done, and nothing that was acknowledged is lost. */
  async end(): Promise<void> {
    this.#faults = 0;
    for (let i = 0; i < 60; i++) await this.clock.advance(1_000);
    await this.start();
    for (let i = 0; i < 60; i++) await this.clock.advance(1_000);
    this.#check();
    for (const [id, { acknowledged, asked, answered, reported }] of this.known) {
      const { leaving } = this.node.system.table.shards[shardOf(id)];
      assert.equal(leaving.size, 0, `${id}: what is left of deletions is done`);
      const entity = seen(this.node.system, id);
      if (acknowledged > asked) {
        assert.ok(entity !== undefined, `${id}: acknowledged and not there`);
        assert.ok((JSON.parse(entity.attributes) as { n: number }).n >= acknowledged, `${id} has gone back`);
      }
      if (answered === asked && asked > reported) assert.equal(entity, undefined, `${id}: erased and there`);
    }
  }
}

t.test(
  "[E22] [E23] whatever crashes when, erasures end, and nothing acknowledged since is lost",
  async (t) => {
    let done = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 60 }), async (actions) => {
        const history = new History();
        await history.start();
        for (const one of actions) await history.act(one);
        await history.end();
        done += history.done;
      }),
      { numRuns: runs(75) },
    );
    t.comment(`${done} erasures were answered`);
    t.ok(done > 50);
  },
);
