/**
 * Takes commands to the owners of their entities' shards, wherever those are, and again and again until one answers: owners know commands by their ids, so
 * that it does no harm. A command waits for reports of no one: who wants one of them decided first waits for its acknowledgement.
 *
 * A command is under way (asked here, asked of another node, or waiting for an owner) → answered, or its time is over: then it may have been applied.
 */
import {
  type CommandHandler,
  type CommandResult,
  isDeletion,
  type LocalCommands,
  MOVED,
  type Request,
} from "../actors/messages.ts";
import { shardOf } from "../actors/shard-hash.ts";
import type { Clock } from "../clock.ts";
import {
  CLUSTER_WAIT_MS,
  COMMAND_RESEND_MS,
  ERASURE_WAIT_MS,
  LINK_JITTER,
  MAX_COMMANDS_UNDER_WAY,
} from "../limits.ts";
import { type CommandRequest, readCommandAnswer } from "./command-message.ts";
import type { Routing } from "./routing.ts";

export interface CommandRouterOptions {
  routing: Routing;
  local: LocalCommands;
  clock: Clock;
  /** 0 ≤ value < 1. */
  random(): number;
  /** May be lost. */
  send(node: string, request: CommandRequest): void;
  /** An owner did not want a command under the epoch that this node takes for the newest: it should ask the authority. */
  misplaced(): void;
}

interface UnderWay {
  readonly n: number;
  readonly command: Request;
  readonly shard: number;
  /** Monotonic ms. */
  readonly deadline: number;
  /** Asked in this node, which has not answered yet. */
  isHere: boolean;
  cancelTimer(): void;
  resolve(result: CommandResult): void;
}

const OVERLOADED = "more commands wait than the node may hold; try again later";
const CLOSED = "the node is shutting down";
const LATE =
  "the owner of its shard did not answer in time: it may have been applied, ask again with the same id";

export class CommandRouter implements CommandHandler {
  readonly #options: CommandRouterOptions;
  readonly #underWay = new Map<number, UnderWay>();
  #n = 0;
  #closed = false;
  readonly stats = { forwarded: 0, moved: 0, late: 0, overloaded: 0, malformed: 0 };

  constructor(options: CommandRouterOptions) {
    this.#options = options;
    options.routing.onChange((shards) => this.#changed(new Set(shards)));
  }

  command(command: Request): Promise<CommandResult> {
    if (this.#closed || this.#underWay.size >= MAX_COMMANDS_UNDER_WAY) {
      this.stats.overloaded += 1;
      const detail = this.#closed ? CLOSED : OVERLOADED;
      return Promise.resolve({ accepted: false, type: "overloaded", detail });
    }
    return new Promise((resolve) => {
      const n = ++this.#n;
      const shard = shardOf(command.entity);
      // Its owner says of an erasure that it is still under way.
      const work = isDeletion(command) && command.erase ? ERASURE_WAIT_MS : 0;
      const deadline = this.#options.clock.monotonic() + CLUSTER_WAIT_MS + work;
      const asked: UnderWay = { n, command, shard, deadline, isHere: false, cancelTimer() {}, resolve };
      this.#underWay.set(n, asked);
      this.#ask(asked);
    });
  }

  /** What another node says on this node's reply channel, whatever is in it. */
  takeAnswer(body: Record<string, unknown>): void {
    const answer = readCommandAnswer(body);
    const asked = answer === undefined ? undefined : this.#underWay.get(answer.n);
    if (answer === undefined) this.stats.malformed += 1;
    else if (asked !== undefined) this.#answered(asked, answer.result);
  }

  /** Takes no new commands; those taken are still worked off. */
  close(): void {
    this.#closed = true;
  }

  /** Every command is answered. */
  get idle(): boolean {
    return this.#underWay.size === 0;
  }

  /** Commands that are not answered. */
  get waiting(): number {
    return this.#underWay.size;
  }

  /** Stops at once: what is under way may have been applied. */
  stop(): void {
    this.#closed = true;
    for (const asked of this.#underWay.values()) this.#late(asked);
  }

  /** Asks whoever has the shard now, and once more after a while, until there is an answer. */
  #ask(asked: UnderWay): void {
    const { routing, clock, random, send } = this.#options;
    asked.cancelTimer();
    const left = asked.deadline - clock.monotonic();
    if (left <= 0) {
      this.#late(asked);
      return;
    }
    const pause = COMMAND_RESEND_MS * (1 + LINK_JITTER * (2 * random() - 1));
    asked.cancelTimer = clock.schedule(Math.min(pause, left), () => this.#ask(asked));
    const place = routing.place(asked.shard);
    if (place.is === "here") this.#askHere(asked, place.epoch);
    else if (place.is === "there") {
      this.stats.forwarded += 1;
      send(place.node, { n: asked.n, epoch: place.epoch, command: asked.command });
    }
  }

  #askHere(asked: UnderWay, epoch: number): void {
    if (asked.isHere) return;
    asked.isHere = true;
    void this.#options.local.commandPlaced(asked.command, epoch).then((result) => {
      asked.isHere = false;
      this.#answered(asked, result);
    });
  }

  #answered(asked: UnderWay, result: CommandResult | typeof MOVED): void {
    if (result !== MOVED) {
      this.#settle(asked, result);
      return;
    }
    this.stats.moved += 1;
    this.#options.misplaced();
  }

  #changed(shards: ReadonlySet<number>): void {
    for (const asked of this.#underWay.values()) if (shards.has(asked.shard)) this.#ask(asked);
  }

  #late(asked: UnderWay): void {
    this.stats.late += 1;
    this.#settle(asked, { accepted: false, type: "retry", detail: LATE });
  }

  /** The first answer counts; all that come are the same. */
  #settle(asked: UnderWay, result: CommandResult): void {
    if (!this.#underWay.delete(asked.n)) return;
    asked.cancelTimer();
    asked.resolve(result);
  }
}
