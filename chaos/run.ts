/** One run: producers and viewers on a cluster in which something breaks again and again; then rest, and a judgement of all that was seen. */
import { setTimeout as sleep } from "node:timers/promises";
import { feedWay, httpWay } from "./command-ways.ts";
import { Commander } from "./commander.ts";
import { type Ask, asking, readDecided, readEntities, readRecorded } from "./database-side.ts";
import { FAULTS, type Fault } from "./faults.ts";
import { Fleet } from "./fleet.ts";
import type { AtRest } from "./history.ts";
import { HistoryWriter } from "./history-writer.ts";
import { judgeFile, type Verdict } from "./judge.ts";
import { type LocalCluster, startLocalCluster } from "./local-cluster.ts";
import type { LocalNode } from "./local-node.ts";
import { OwnerWatch } from "./owner-watch.ts";
import { Producer } from "./producer.ts";
import { between, type Random, seededRandom, shuffled } from "./random.ts";
import { listEntities } from "./rest.ts";
import { feedSender, httpSender } from "./senders.ts";
import { comparable, openViewer, type Viewer } from "./viewers.ts";
import { type WaitRow, Waits } from "./waits.ts";

export interface ChaosOptions {
  /** Of faults, s. */
  seconds: number;
  /** Reports a second, of all producers. There are as many entities, so each is reported once a second. */
  rate: number;
  nodes: number;
  /** Makes nodes a cluster. */
  redis: boolean;
  seed: number;
  /** File for the history. */
  history: string;
  /** Waited for shards to be spread over all nodes before anything breaks, at most, ms. */
  spreadMs: number;
  /** Only faults of these names; absent = all. */
  only?: readonly string[];
  say(text: string): void;
  /** A line of a node's output. */
  onLine?(node: string, line: string): void;
}

export interface Outcome {
  verdict: Verdict;
  accepted: number;
  refused: number;
  repeated: number;
  heldBack: number;
  commands: Commander["stats"];
  faults: number;
  /** Nodes that ended by themselves and were started again. */
  deaths: number;
  /** From the end of the last fault to everything being owned and answered, ms; undefined = never. */
  settledMs: number | undefined;
  waits: WaitRow[];
}

/** A lease, and 5 s. */
const SETTLE_MS = 10_000;
/** Waited for longer, to see whether it settles at all. */
const MAX_SETTLE_MS = 40_000;
/** Viewers get so long to show what is at rest. */
const PICTURE_MS = 15_000;
/** The table `entity` follows a checkpoint, which is each 10 s. */
const ROWS_MS = 40_000;
const VIEW_ENTITIES = 150;
const VIEWS_PER_NODE = 2;
const COMMANDS_PER_SECOND = 25;
const MAX_LINE_ENTITIES = 1_000;

export async function runChaos(options: ChaosOptions): Promise<Outcome> {
  const { say, history: file } = options;
  const history = new HistoryWriter(file);
  let parts: Outcome;
  try {
    parts = await new Run(options, history).play();
  } finally {
    await history.close();
  }
  say("judging");
  return { ...parts, verdict: await judgeFile(file) };
}

class Run {
  readonly #options: ChaosOptions;
  readonly #history: HistoryWriter;
  readonly #random: Random;
  readonly #fleet: Fleet;
  #deaths = 0;
  #faults = 0;
  #batches = 0;

  constructor(options: ChaosOptions, history: HistoryWriter) {
    this.#options = options;
    this.#history = history;
    this.#random = seededRandom(options.seed);
    this.#fleet = new Fleet(options.rate);
  }

  async play(): Promise<Outcome> {
    const { nodes, redis, say, onLine } = this.#options;
    let over = false;
    const lastWords = new Map<string, string>();
    await using cluster: LocalCluster = await startLocalCluster({
      ...{ nodes, redis, faultyLinks: true, onStep: say },
      onLine: (name, line) => {
        if (line.trim() === "") return;
        lastWords.set(name, line);
        onLine?.(name, line);
      },
      onDeath: (name) => {
        if (over) return;
        this.#deaths++;
        say(`${name} has ended by itself: ${lastWords.get(name)}`);
        this.#note("ended by itself", name);
        // As a supervisor would.
        cluster.nodes
          .find((node) => node.name === name)
          ?.start()
          .catch((error) => say(`${name}: ${error.message}`));
      },
    });
    const watch = new OwnerWatch(
      cluster.databaseUrl,
      redis ? cluster.nodes : [],
      cluster.token,
      this.#history,
    );
    const waits = new Waits((shard) => watch.ownerOf(shard));
    const making = new AbortController();
    const commander = this.#commander(cluster);
    const producers = this.#producers(cluster, waits, commander);
    const viewers = this.#viewers(cluster);
    const perSecond = this.#options.rate / producers.length;
    const running = [
      watch.run(),
      ...producers.map((producer) => producer.run(perSecond, making.signal)),
      commander.run(COMMANDS_PER_SECOND, making.signal),
    ];
    try {
      if (redis) await this.#balance(watch);
      await this.#break(cluster, waits);
      making.abort();
      const settledMs = await this.#settle(cluster, watch, producers, commander);
      await this.#lookAtRest(cluster, viewers);
      const sum = (of: keyof Producer["stats"]) =>
        producers.reduce((total, { stats }) => total + stats[of], 0);
      return {
        ...{ accepted: sum("accepted"), refused: sum("refused"), repeated: sum("repeated") },
        ...{
          heldBack: sum("heldBack"),
          faults: this.#faults,
          deaths: this.#deaths,
          settledMs,
          commands: commander.stats,
        },
        ...{ waits: waits.rows(), verdict: { events: 0, violations: [], counts: new Map() } },
      };
    } finally {
      over = true;
      making.abort();
      watch.end();
      for (const producer of producers) producer.end();
      commander.end();
      for (const viewer of viewers) viewer.close();
      await Promise.all(running);
      // Nobody asks these nodes any more, and a stop in order takes its time.
      await Promise.all(cluster.nodes.map((node) => node.kill()));
    }
  }

  /** One on the feed of each node, and as many over HTTP, each time to another node. */
  #producers({ nodes, token }: LocalCluster, waits: Waits, commander: Commander): Producer[] {
    const count = nodes.length * 2;
    return Array.from({ length: count }, (_, i) => {
      const random = seededRandom(this.#options.seed + i + 1);
      const sender = i < nodes.length ? feedSender(nodes[i], token) : httpSender(nodes, token, random);
      const indices = Array.from({ length: this.#fleet.size }, (_, index) => index).filter(
        (index) => index % count === i,
      );
      return new Producer({
        ...{ fleet: this.#fleet, indices, sender, history: this.#history, random },
        nextBatch: () => ++this.#batches,
        onAccepted: ({ report, entries, since }) => {
          waits.accepted(report.id, entries, since, Date.now());
          commander.accepted(report.id);
        },
      });
    });
  }

  #commander({ nodes, token }: LocalCluster): Commander {
    const ways = nodes.flatMap((node) => [feedWay(node, token), httpWay(node, token)]);
    return new Commander({ ways, history: this.#history, random: seededRandom(this.#options.seed + 1_000) });
  }

  #viewers({ nodes, token }: LocalCluster): Viewer[] {
    return nodes.flatMap((node, i) =>
      Array.from({ length: VIEWS_PER_NODE }, (_, k) => {
        const box = this.#fleet.box(i * VIEWS_PER_NODE + k, VIEW_ENTITIES);
        return openViewer(`${node.name} view ${k + 1}`, node, token, box, this.#history);
      }),
    );
  }

  /** Until all nodes own something: else most faults hit nothing. Not part of what is judged. */
  async #balance(watch: OwnerWatch): Promise<void> {
    this.#options.say("waiting for shards to be spread");
    const end = performance.now() + this.#options.spreadMs;
    while (!watch.balanced && performance.now() < end) await sleep(100);
  }

  async #break(cluster: LocalCluster, waits: Waits): Promise<void> {
    const { seconds, redis, only, say } = this.#options;
    const random = this.#random;
    const kinds = FAULTS.filter(
      ({ name, needsRedis }) => (redis || !needsRedis) && (only === undefined || only.includes(name)),
    );
    const end = performance.now() + seconds * 1_000;
    let deck: Fault[] = [];
    await sleep(between(random, 2_000, 4_000));
    while (performance.now() < end) {
      if (deck.length === 0) deck = shuffled(random, kinds);
      const fault = deck.pop()!;
      this.#faults++;
      await fault.run({
        cluster,
        random,
        hit: (target) => {
          waits.began(fault.name, target, Date.now());
          this.#note(fault.name, target);
          say(`${fault.name}: ${target}`);
        },
      });
      waits.ended(Date.now());
      this.#note(`${fault.name} is over`, "all");
      // Shards are spread again only when no node has come or gone for 5 s: now and then there is time for it.
      const pause = random() < 0.3 ? between(random, 8_000, 15_000) : between(random, 500, 5_000);
      await sleep(Math.max(0, Math.min(pause, end - performance.now())));
    }
  }

  #note(what: string, target: string): void {
    this.#history.write({ is: "fault", at: Date.now(), what, target });
  }

  /**
   * Waits until what was reported and asked is answered, and everything is owned; then until what is asked once more on purpose, seconds after its answer, is
   * over too.
   * @returns how long the first took, ms; undefined = it did not.
   */
  async #settle(
    cluster: LocalCluster,
    watch: OwnerWatch,
    producers: readonly Producer[],
    commander: Commander,
  ): Promise<number | undefined> {
    const from = Date.now();
    this.#history.write({ is: "quiet", at: from, withinMs: SETTLE_MS });
    this.#options.say("nothing is broken any more");
    while (Date.now() - from < MAX_SETTLE_MS) {
      const answered = producers.every(({ open }) => open === 0) && commander.answered;
      const whole = answered && (await watch.complete());
      const ready = whole && (await Promise.all(cluster.nodes.map((node) => node.ready()))).every(Boolean);
      if (ready) {
        const at = Date.now();
        this.#history.write({ is: "settled", at });
        while (!commander.idle && Date.now() - from < MAX_SETTLE_MS) await sleep(50);
        return at - from;
      }
      await sleep(50);
    }
    return undefined;
  }

  async #lookAtRest(cluster: LocalCluster, viewers: readonly Viewer[]): Promise<void> {
    const { nodes, token, databaseUrl } = cluster;
    this.#options.say("comparing what viewers have");
    // Another node than the viewer's, if there is one.
    const answers = await this.#untilSame(
      viewers,
      (i) => nodes[(Math.floor(i / VIEWS_PER_NODE) + 1) % nodes.length],
      token,
    );
    for (const [i, viewer] of viewers.entries()) {
      this.#history.write({ is: "picture", by: viewer.name, entities: viewer.picture() });
      this.#history.write({ is: "answer", by: viewer.name, entities: answers[i] });
    }
    this.#options.say("reading the database");
    const ask = asking(databaseUrl);
    const recorded = await readRecorded(ask);
    for (let at = 0; at < recorded.length; at += MAX_LINE_ENTITIES)
      this.#history.write({ is: "recorded", rows: recorded.slice(at, at + MAX_LINE_ENTITIES) });
    const decided = await readDecided(ask);
    for (let at = 0; at < decided.length; at += MAX_LINE_ENTITIES)
      this.#history.write({ is: "decided", rows: decided.slice(at, at + MAX_LINE_ENTITIES) });
    this.#options.say("waiting for the table of entities");
    const { stored, final } = await this.#tableAndRest(nodes[0], token, ask);
    this.#writeAtRest("final", final);
    this.#writeAtRest("stored", stored);
  }

  /** The table `entity`, and what REST says after it was read, for shards may still move: when both say the same, or time is up. */
  async #tableAndRest(
    node: LocalNode,
    token: string,
    ask: Ask,
  ): Promise<{ stored: AtRest[]; final: AtRest[] }> {
    const end = performance.now() + ROWS_MS;
    for (;;) {
      const stored = await readEntities(ask);
      const final = (await listEntities(node, token)).map(
        ({ id = "", alt = 0, epoch = 0, seq = 0, state = "" }): AtRest => [id, alt, epoch, seq, state],
      );
      if (idsAndSeqs(stored) === idsAndSeqs(final) || performance.now() > end) return { stored, final };
      await sleep(500);
    }
  }

  /** What REST answers for the viewers' boxes: when all show the same, or time is up. */
  async #untilSame(
    viewers: readonly Viewer[],
    asked: (viewer: number) => { name: string; url: string },
    token: string,
  ): Promise<Record<string, string>[]> {
    const end = performance.now() + PICTURE_MS;
    for (;;) {
      const answers = await Promise.all(
        viewers.map(async ({ box }, i) =>
          Object.fromEntries(
            (await listEntities(asked(i), token, box)).map((one) => [one.id, comparable(one)]),
          ),
        ),
      );
      const same = viewers.every((viewer, i) => viewer.live && sameEntries(viewer.picture(), answers[i]));
      if (same || performance.now() > end) return answers;
      await sleep(250);
    }
  }

  #writeAtRest(is: "final" | "stored", entities: readonly AtRest[]): void {
    for (let at = 0; at < entities.length; at += MAX_LINE_ENTITIES)
      this.#history.write({ is, entities: entities.slice(at, at + MAX_LINE_ENTITIES) });
  }
}

function sameEntries(a: Record<string, string>, b: Record<string, string>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function idsAndSeqs(entities: readonly AtRest[]): string {
  return entities
    .map(([id, , , seq]) => `${id} ${seq}`)
    .sort()
    .join("\n");
}
