/** Numbered reports to one node, while it or its database is broken; then rest, and a judgement of what producers were told. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Ask, readEntities, readRecorded } from "./database-side.ts";
import { Fleet } from "./fleet.ts";
import type { AtRest } from "./history.ts";
import { HistoryWriter } from "./history-writer.ts";
import { judgeFile, type Verdict } from "./judge.ts";
import type { LocalNode } from "./local-node.ts";
import { Producer } from "./producer.ts";
import { seededRandom } from "./random.ts";
import { listEntities } from "./rest.ts";
import { feedSender, httpSender, type Sender } from "./senders.ts";

export interface OneNodeOptions {
  /** Started. It is stopped when all is done. */
  node: LocalNode;
  token: string;
  /** Reports a second, and entities. */
  rate: number;
  seed: number;
  /** File for the history. */
  history: string;
  /** Asks the database, after the node has stopped. */
  withDatabase(work: (ask: Ask) => Promise<void>): Promise<void>;
  say(text: string): void;
}

export interface OneNodeOutcome {
  verdict: Verdict;
  accepted: number;
  refused: number;
  repeated: number;
  /** From the end of the last fault to everything being answered, ms; undefined = never. */
  settledMs: number | undefined;
}

/** What is broken. */
export interface Breaking {
  /** Something is broken, or mended. */
  note(what: string): void;
  /** Reports accepted so far. */
  accepted(): number;
}

/** A full backlog is committed in that time, also on a busy machine. */
const SETTLE_MS = 120_000;
const LINE_ENTITIES = 1_000;

/** @param breaking resolves when nothing is broken any more. */
export async function loadOneNode(
  options: OneNodeOptions,
  breaking: (at: Breaking) => Promise<void>,
): Promise<OneNodeOutcome> {
  const { node, token, rate, seed, say, withDatabase } = options;
  const history = new HistoryWriter(options.history);
  const fleet = new Fleet(rate);
  let batches = 0;
  const senders = [feedSender(node, token), patient(node, httpSender([node], token, seededRandom(seed + 1)))];
  const producers = senders.map((sender, i) => {
    const indices = Array.from({ length: rate }, (_, index) => index).filter((index) => index % 2 === i);
    const random = seededRandom(seed + 2 + i);
    const nextBatch = () => ++batches;
    return new Producer({ ...{ fleet, indices, sender, history, random }, nextBatch, onAccepted() {} });
  });
  const sum = (of: keyof Producer["stats"]) => producers.reduce((total, { stats }) => total + stats[of], 0);
  const making = new AbortController();
  const running = producers.map((producer) => producer.run(rate / producers.length, making.signal));
  const note = (what: string) => {
    history.write({ is: "fault", at: Date.now(), what, target: node.name });
    say(what);
  };
  let settledMs: number | undefined;
  try {
    await breaking({ note, accepted: () => sum("accepted") });
    making.abort();
    const from = Date.now();
    history.write({ is: "quiet", at: from, withinMs: SETTLE_MS });
    while (settledMs === undefined && Date.now() - from < SETTLE_MS) {
      if (producers.every(({ open }) => open === 0) && (await node.ready())) settledMs = Date.now() - from;
      else await sleep(20);
    }
    if (settledMs !== undefined) history.write({ is: "settled", at: Date.now() });
    else for (const producer of producers) producer.end();
    const ids = new Set(Array.from({ length: rate }, (_, index) => fleet.id(index)));
    const final = (await listEntities(node, token))
      .filter(({ id = "" }) => ids.has(id))
      .map(({ id = "", alt = 0, epoch = 0, seq = 0, state = "" }): AtRest => [id, alt, epoch, seq, state]);
    writeAtRest(history, "final", final);
    await node.stop();
    await withDatabase(async (ask) => {
      const recorded = await readRecorded(ask);
      history.write({ is: "recorded", rows: recorded.filter(([, id]) => ids.has(id)) });
      const stored = await readEntities(ask);
      writeAtRest(
        history,
        "stored",
        stored.filter(([id]) => ids.has(id)),
      );
    });
  } finally {
    making.abort();
    for (const producer of producers) producer.end();
    await Promise.all(running);
    await node.kill();
    await history.close();
  }
  const counts = { accepted: sum("accepted"), refused: sum("refused"), repeated: sum("repeated") };
  return { verdict: await judgeFile(options.history), ...counts, settledMs };
}

/** Sends nothing while nobody listens. */
function patient(node: LocalNode, sender: Sender): Sender {
  let isOver = false;
  return {
    whole: sender.whole,
    next: () => sender.next(),
    async send(to, reports) {
      while (!node.listening && !isOver) await sleep(20);
      return sender.send(to, reports);
    },
    close() {
      isOver = true;
      sender.close();
    },
  };
}

function writeAtRest(history: HistoryWriter, is: "final" | "stored", entities: readonly AtRest[]): void {
  for (let at = 0; at < entities.length; at += LINE_ENTITIES)
    history.write({ is, entities: entities.slice(at, at + LINE_ENTITIES) });
}
