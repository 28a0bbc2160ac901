// What is told of one entity, and of its way, is what the list of all tells: from memory, from rows, and where a row is not what counts any more.
import assert from "node:assert/strict";
import { OpenAPIHono } from "@hono/zod-openapi";
import t, { type Test } from "tap";
import type { Report } from "../../src/actors/messages.ts";
import { tracksRoutes } from "../../src/transport/http/routes/tracks.ts";
import { permitAll } from "../support/permit-all.ts";
import { fc } from "../support/seeded.ts";
import { at, Past, START } from "./past.ts";

t.test("[TR22] what is open is held in the answer about one, and in its way up to now", async (t) => {
  const past = await Past.begin(t, 20);
  await past.tell(0, { lon: 25 });
  await past.tell(5, { lon: 26 });
  await past.pass(12);
  const check = async (where: string) => {
    // Each asks for the list, for the one, and for its way.
    t.match(await past.at(8), { lon: 26 }, where);
    t.match(await past.at(11, 11.5), { lon: 26 }, where);
    const now = (past.h.clock.now() - START) / 1_000;
    for (const query of ["", `?datetime=${new Date(at(7)).toISOString()}/..`, "?every=1", "?limit=1"]) {
      const lines = await way(past, query);
      t.equal(lines.at(-1)!.times.at(-1), now, `${where}, ${query}: up to now`);
      t.equal(lines.at(-1)!.hold, true);
      t.equal(lines.flatMap(({ times }) => times).filter((time) => time === now).length, 1, "once");
    }
    t.same(
      await way(past, `?datetime=${new Date(at(60)).toISOString()}/..`),
      [],
      "nothing of what is to come",
    );
    const known = await way(past, `?known=${new Date(at(9)).toISOString()}`);
    t.equal(known.at(-1)!.times.at(-1), 9, "up to what was known");
    t.equal(known.at(-1)!.hold, true);
  };
  await past.everywhere(check);
  await past.pass(40);
  past.write();
  t.equal((await way(past, "")).at(-1)!.times.at(-1), 25, "as the row tells it");
});

t.test(
  "[TR22] a hold in a row that a report took the place of is told no more, whenever one asks",
  async (t) => {
    const past = await Past.begin(t, 30);
    await past.tell(0, { lon: 5 });
    await past.pass(40);
    past.write();
    await past.tell(10, { lon: 6 }, 40);
    for (const [second, lon] of [
      [5, 5.5],
      [12, 6],
      [29, 6],
      [39, 6],
    ])
      t.ok(Math.abs((await past.at(second))!.lon! - lon) < 1e-6, `at ${second} s`);
    t.same(
      (await way(past, `?datetime=${new Date(at(12)).toISOString()}/..`)).map(({ times, lons }) => [
        times,
        lons,
      ]),
      [
        [
          [12, 40],
          [6, 6],
        ],
      ],
    );
  },
);

const seconds = fc.constantFrom(0, 0, 1, 4, 9.5, 12, 25);
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ delay: seconds, attributes: fc.constantFrom({}, { a: 1 }, { a: 2 }) }),
  },
  { weight: 2, arbitrary: fc.record({ note: seconds, attributes: fc.constantFrom({}, { a: 3 }) }) },
  { weight: 5, arbitrary: fc.record({ pass: fc.constantFrom(0.1, 2, 7, 11, 21, 60) }) },
  { weight: 2, arbitrary: fc.constantFrom("write" as const, "correct" as const) },
);
const moment = fc.record({
  ago: fc.double({ min: 0, max: 1, noNaN: true }),
  known: fc.constantFrom(0, 0.5, 5, 30),
});

t.test("[TR22] of any history one is told as it is in the list, and its way leads there", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 14 }),
      fc.array(moment, { minLength: 8, maxLength: 8 }),
      async (steps, moments) => {
        const past = await Past.begin(STRICT, 20);
        let now = 0;
        await past.tell(0, { lon: 10 });
        for (const [i, one] of steps.entries()) {
          now = (past.h.clock.now() - START) / 1_000;
          const { attributes } = one as Pick<Report, "attributes">;
          if (one === "write") past.write();
          else if (one === "correct") past.correct();
          else if ("pass" in one) await past.pass(now + one.pass);
          else if ("delay" in one) await past.tell(now - one.delay, { lon: 20 + i, attributes }, now);
          else await past.note(now - one.note, { attributes }, now);
        }
        now = (past.h.clock.now() - START) / 1_000;
        const check = async () => {
          for (const { ago, known } of moments) {
            const second = Math.round((now + 5) * 1_000 * ago) / 1_000 - 5;
            await past.at(second);
            await past.at(second, second + known);
          }
        };
        await check();
        await past.crash(true);
        await check();
        past.write();
        past.correct();
        await check();
      },
    ),
    { numRuns: 40 },
  );
});

/** What the route tells of the way, with seconds for times. */
async function way(past: Past, query: string) {
  const app = new OpenAPIHono();
  app.use(permitAll);
  tracksRoutes(app, past.h.clock, past.history);
  const lines: { times: number[]; lons: number[]; hold: boolean }[] = [];
  for (let path: string | undefined = `/v1/entities/a/track${query}`; path !== undefined; ) {
    const { features, links } = (await (await app.request(path)).json()) as {
      features: {
        geometry: { coordinates: number[][] };
        properties: { times: string[]; hold: boolean };
      }[];
      links: { rel: string; href: string }[];
    };
    for (const { geometry, properties } of features)
      lines.push({
        times: properties.times.map((time) => (Date.parse(time) - START) / 1_000),
        lons: geometry.coordinates.map(([lon]) => lon),
        hold: properties.hold,
      });
    path = links.find(({ rel }) => rel === "next")?.href;
  }
  return lines;
}

/** Throws, so that a counterexample is made smaller. */
const STRICT = {
  ok: assert.ok,
  equal: assert.equal,
  same: assert.deepEqual,
  match: assert.partialDeepStrictEqual,
} as unknown as Test;
