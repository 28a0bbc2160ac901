/** An app over a picture and an ingest that the test holds in its hands. */
import { Policy } from "../../src/access/policy.ts";
import type { Ingest, IngestResult, RefusalType, Report } from "../../src/actors/messages.ts";
import { identifyAdmin } from "../../src/auth/admin-token.ts";
import { systemClock } from "../../src/clock.ts";
import { Picture } from "../../src/picture/picture.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { type App, type AppOptions, createApp } from "../../src/transport/http/app.ts";
import type { DirectRoute } from "../../src/transport/server/server.ts";

export const TOKEN = "the-token-of-the-tests";
export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

/** Takes everything, unless told otherwise. */
export class FakeIngest implements Ingest {
  overloaded = false;
  readonly batches: Report[][] = [];
  /** Decides about one report. */
  refuse: (report: Report) => RefusalType | undefined = () => undefined;
  /** Waited for before each answer. */
  gate: Promise<void> = Promise.resolve();

  get reports(): Report[] {
    return this.batches.flat();
  }

  async submit(reports: readonly Report[]): Promise<IngestResult> {
    this.batches.push([...reports]);
    await this.gate;
    const refused = reports.flatMap((report, index) => {
      const type = this.refuse(report);
      return type === undefined ? [] : [{ index, type, detail: `refused ${report.id}` }];
    });
    return { accepted: reports.length - refused.length, refused };
  }
}

export interface TestApp {
  ingest: FakeIngest;
  picture: Picture;
  errors: unknown[];
  fetch(request: Request): Promise<Response>;
  direct: DirectRoute[];
  routes: App["routes"];
  /** With the token. */
  get(path: string, init?: RequestInit): Promise<Response>;
  post(body: string | Uint8Array | ReadableStream, type?: string): Promise<Response>;
}

export function testApp(options: Partial<AppOptions> = {}): TestApp {
  const ingest = new FakeIngest();
  const picture = new Picture();
  const errors: unknown[] = [];
  const app = createApp({
    ingest,
    commands: { command: () => Promise.reject(new Error("no commands in this test")) },
    newId: () => "made-here",
    picture,
    clusterStatus: () => ({
      node: "n1",
      suspended: false,
      nodes: [],
      shards: [],
      handOvers: { count: 0 },
      claims: 0,
      evictions: 0,
    }),
    health: () => ({ ready: true, checks: { store: { ok: true, detail: "answers" } } }),
    metrics: createMetrics([]),
    identify: identifyAdmin(TOKEN),
    policy: new Policy(),
    clock: { ...systemClock, now: () => NOW },
    webDir: "test/http/no-such-folder",
    onError: (error) => errors.push(error),
    ...options,
  });
  const fetch = async (request: Request) => app.fetch(request);
  const headers = { authorization: `Bearer ${TOKEN}` };
  return {
    ingest,
    picture,
    errors,
    fetch,
    direct: app.direct,
    routes: app.routes,
    get: (path, init = {}) =>
      fetch(new Request(`http://muster.test${path}`, { ...init, headers: { ...headers, ...init.headers } })),
    post: (body, type = "application/json") =>
      fetch(
        new Request("http://muster.test/v1/reports", {
          method: "POST",
          headers: { ...headers, "content-type": type },
          body,
          duplex: "half",
        } as RequestInit),
      ),
  };
}

/** Adds an entity with a place. */
export function addEntity(
  picture: Picture,
  id: string,
  place?: [lon: number, lat: number],
  members: { kind?: string; state?: string; attributes?: object } = {},
): number {
  const slot = picture.add(id, 0);
  const { columns } = picture;
  columns.kind.set(slot, columns.kinds.number(members.kind ?? "vessel"));
  columns.state.set(slot, columns.states.number(members.state ?? "moving"));
  columns.t.set(slot, NOW - 1_000);
  columns.received.set(slot, NOW);
  columns.epoch.set(slot, 1);
  columns.seq.set(slot, 1);
  if (members.attributes !== undefined) columns.attributes.set(slot, JSON.stringify(members.attributes));
  if (place !== undefined) picture.place(slot, ...place);
  return slot;
}

/** The end of a problem's `type`, and its status. */
export async function problemOf(response: Response): Promise<[type: string, status: number]> {
  const body = (await response.json()) as { type: string; status: number };
  const type = body.type.replace("urn:muster:problem:", "");
  if (response.headers.get("content-type") !== "application/problem+json") throw new Error("not a problem");
  if (body.status !== response.status) throw new Error("the status differs");
  return [type, body.status];
}
