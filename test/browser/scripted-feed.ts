/** A scripted feed of what is, for pages that a test looks at. */
import type { Page } from "playwright-core";
import type { Subscribe } from "../../src/transport/feed/protocol.ts";

const HEARTBEAT_MS = 1_000;

/** Answers each subscription of a live view with `entities`, and no other. @returns all subscriptions, as they come */
export async function feedLive(
  t: { teardown(end: () => unknown): void },
  page: Page,
  entities: () => object[],
): Promise<Subscribe[]> {
  const asked: Subscribe[] = [];
  await page.routeWebSocket(/\/v1\/feed/, (socket) => {
    const send = (message: object) =>
      socket.send(JSON.stringify({ t: new Date().toISOString(), tick: 1, lag: 0, ...message }));
    socket.onMessage((text) => {
      const message = JSON.parse(String(text));
      if (message.op !== "subscribe") return;
      asked.push(message);
      const { view, at } = message;
      if (at !== undefined) return;
      send({ op: "view", view, number: asked.length, cover: [[-180, -90, 180, 90]], filters: 0 });
      send({ op: "snapshot", view, n: 1, first: true, last: true, entities: entities() });
    });
    const beats = setInterval(() => send({ op: "heartbeat", stale: false }), HEARTBEAT_MS);
    t.teardown(() => clearInterval(beats));
  });
  return asked;
}
