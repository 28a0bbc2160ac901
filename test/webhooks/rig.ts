/** A store with events, and nodes that deliver them. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Test } from "tap";
import { type Clock, systemClock, systemSecret } from "../../src/clock.ts";
import { EventEncoder } from "../../src/events/cloud-event.ts";
import { EventTail } from "../../src/events/tail.ts";
import type { Store } from "../../src/store/store.ts";
import { HttpSender, type HttpSenderOptions } from "../../src/transport/webhooks/http-sender.ts";
import { Deliverer } from "../../src/webhooks/deliverer.ts";
import type { Webhook, WebhookStatus } from "../../src/webhooks/ports.ts";
import { EventWriter, openOnPostgres } from "../events/rig.ts";

/** So that hours of back-off pass in a moment; leases are the test's. */
const LONG_LEASE_MS = 1e9;

export interface DeliveryRig {
  store: Store;
  writer: EventWriter;
  tail: EventTail;
  hook(url: string, more?: Partial<Webhook>): Promise<string>;
  status(id: string): Promise<WebhookStatus>;
  /** Another node that delivers. */
  node(options?: NodeOptions): Deliverer;
}

interface NodeOptions {
  clock?: Clock;
  holder?: string;
  leaseMs?: number;
  renewMs?: number;
  sender?: Partial<HttpSenderOptions>;
}

/** @param given by default one on PostgreSQL. @param writing who writes to it already, and closes it. */
export async function deliveryRig(t: Test, given?: Store, writing?: EventWriter): Promise<DeliveryRig> {
  const store = given ?? (await openOnPostgres(t));
  const writer = writing ?? (await EventWriter.of(store));
  const fatal = (error: unknown) => t.fail(String((error as Error)?.stack ?? error));
  const tail = new EventTail({ log: store.eventLog, clock: systemClock, onHeld: () => {}, onFatal: fatal });
  tail.start();
  const stops: (() => Promise<void>)[] = [];
  t.teardown(async () => {
    for (const stop of stops) await stop();
    await tail.stop();
    if (writing === undefined) await store.close();
  });
  return {
    store,
    writer,
    tail,
    async hook(url, more = {}) {
      const id = randomUUID();
      const secret = systemSecret(32).toString("base64");
      await store.webhooks.create({ id, url, enabled: true, createdAt: Date.now(), secret, ...more });
      return id;
    },
    async status(id) {
      const [status] = await store.webhooks.statuses(id);
      return status!;
    },
    node(options = {}) {
      const { clock = systemClock, holder = randomUUID(), leaseMs = LONG_LEASE_MS, renewMs = 20 } = options;
      const sender = new HttpSender({ clock: systemClock, allowPrivate: true, ...options.sender });
      const deliverer = new Deliverer({
        holder,
        deliveries: store.webhooks,
        tail,
        encoder: new EventEncoder("test"),
        sender,
        clock,
        random: () => 0.5,
        leaseMs,
        renewMs,
        onGap: () => {},
        onFatal: fatal,
      });
      deliverer.start();
      stops.push(async () => {
        await deliverer.stop();
        sender[Symbol.dispose]();
      });
      return deliverer;
    },
  };
}

/** Waits until something is so. */
export async function until(is: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await is())) await sleep(10);
}

/** As if they had waited before, since or until `dueAt`; `data.n` counts from 1. */
export async function keepLetters(
  rig: DeliveryRig,
  id: string,
  subject: string,
  count: number,
  dueAt: number,
): Promise<void> {
  const { webhooks } = rig.store;
  const [held] = await webhooks.hold("before", 0);
  const letters = Array.from({ length: count }, (_, i) => ({
    event: {
      cursor: { era: 1, xid: subject.charCodeAt(0), id: i + 1 },
      ...{ type: "t", subject, time: 1, data: { n: i + 1 } },
    },
    attempts: 0,
    nextAt: dueAt,
  }));
  const counts = { delivered: 0, failures: 0, gaps: 0 };
  await webhooks.save(id, "before", held!.generation, { ...counts, cursor: held!.cursor, letters, done: [] });
}
