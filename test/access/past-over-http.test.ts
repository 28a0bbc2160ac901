// What REST answers of the past to who may see only some.
import t from "tap";
import { StoreAway } from "../../src/actors/ports.ts";
import { History } from "../../src/tracks/history.ts";
import type { TrackStore } from "../../src/tracks/ports.ts";
import { NOW } from "../http/fixture.ts";
import { NO_ROWS, NO_TAILS } from "../support/no-history.ts";
import { appFor, segment } from "./rig.ts";

const first = NOW - 100_000;
/** The second one is hidden. */
const rows = [0, 1, 2].map((i) =>
  segment("a", first + i * 10_000, 10, { state: i === 1 ? "hidden" : "seen", labels: ["x"] }),
);
const hidden = segment("b", first, 30, { state: "hidden" });
const store: TrackStore = {
  ...NO_ROWS,
  at: async ({ t, after = "" }) =>
    [...rows, hidden].filter(({ id, points }) => id > after && points[0]!.t <= t && t < points.at(-1)!.t),
  of: async ({ id, after }) => [...rows, hidden].filter((row) => row.id === id && row.points[0]!.t > after),
};
const app = (from: TrackStore = store) =>
  appFor(["entity.state == 'seen'"], { history: new History(from, NO_TAILS) });
const then = (seconds: number) => `datetime=${new Date(first + seconds * 1_000).toISOString()}`;

interface Answer {
  features: {
    id: string;
    properties: { state: string };
    temporalGeometry: { prisms: { datetimes: string[] }[] };
  }[];
  links: { rel: string; href: string }[];
}

t.test("[AC31, AC33] what it was then, and who it was", async (t) => {
  const { get } = app();
  const ids = async (seconds: number) =>
    ((await (await get(`/v1/entities?${then(seconds)}`)).json()) as Answer).features.map(({ id }) => id);
  t.same(await ids(5), ["a"]);
  t.same(await ids(15), []);
  t.equal((await get(`/v1/entities/a?${then(5)}`)).status, 200);
  const answers = await Promise.all(
    ["a", "b", "z"].map(async (id) => {
      const response = await get(`/v1/entities/${id}?${then(15)}`);
      const text = (await response.text()).replaceAll(`\\"${id}\\"`, "?");
      return [response.status, text, [...response.headers]];
    }),
  );
  t.equal(answers[0]![0], 404);
  t.same(answers[0], answers[2]);
  t.same(answers[1], answers[2]);
});

t.test("[AC31, AC37] a way has gaps, in each format and on each page", async (t) => {
  const { get } = app();
  const read = async (path: string) => (await (await get(path)).json()) as Answer;
  const track = "/v1/entities/a/track";
  t.same(
    (await read(track)).features.map(({ properties }) => properties.state),
    ["seen", "seen"],
  );
  const paged = await read(`${track}?limit=1`);
  t.equal(paged.features.length, 1);
  const rest = await read(paged.links[1]!.href);
  t.same(
    rest.features.map(({ id }) => id),
    [`a/${new Date(first + 20_000).toISOString()}`],
  );
  t.equal(rest.links.length, 1);
  const lines = (await (await get(`${track}?f=ndjson`)).text()).trim().split("\n");
  t.equal(lines.length, 2);
  const moving = await read(`${track}?f=mf-json`);
  t.equal(moving.features[0]!.temporalGeometry.prisms.length, 2, "with a gap between them");
  t.same((await read(`${track}?every=1`)).features.length, 2);
  for (const query of ["", "?f=mf-json", "?f=ndjson", "?every=5", `?known=${new Date(NOW).toISOString()}`]) {
    const [b, z] = await Promise.all(
      ["b", "z"].map(async (id) => {
        const response = await get(`/v1/entities/${id}/track${query}`);
        return [response.status, (await response.text()).replaceAll(`/${id}/`, "/?/"), [...response.headers]];
      }),
    );
    t.same(b, z, `as for one that is not there: ${query}`);
  }
});

t.test("[AC31] what cannot be read is told the same", async (t) => {
  const away = () => Promise.reject(new StoreAway("away"));
  const { get } = app({ ...store, at: away, of: away });
  for (const path of [`?${then(5)}`, `/b?${then(5)}`, "/b/track"])
    t.equal((await get(`/v1/entities${path}`)).status, 503, path);
});
