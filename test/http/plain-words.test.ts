import t from "tap";
import { testApp } from "./fixture.ts";

/** Never called, as nothing here is right. */
const none = { store: {}, versions: () => [], find: () => undefined, changed: async () => {} } as never;

t.test("[H40] a problem says which field, what it must be and what it was", async (t) => {
  const app = testApp({ fences: none, machines: none, webhooks: none, events: none, history: none });
  const detail = async (path: string, init?: RequestInit) =>
    ((await (await app.get(path, init)).json()) as { detail: string }).detail;
  const box = "must be west,south,east,north in degrees with south ≤ north (west > east crosses 180°)";
  for (const [query, said] of [
    ["entities?bbox=1,2,3", `bbox: ${box}, not "1,2,3"`],
    ["fences?bbox=1,5,2,3", `bbox: ${box}, not "1,5,2,3"`],
    ["entities?limit=0", "limit: must be at least 1, not 0"],
    ["entities?limit=10001", "limit: must be at most 10000, not 10001"],
    ["entities?limit=-1", 'limit: must be a whole number from 1 to 10000, not "-1"'],
    ["entities?limit=1&limit=2", "limit: is given more than once"],
    ["entities?limits=1", "limits: is not known here"],
    ["entities?kind=a,,b", "kind.1: is empty"],
    [`entities?kind=${"x".repeat(65)}`, "kind.0: has more than 64 characters"],
    ["entities?near=24,60&radius=a", 'radius: must be a number from 0 to 20037508, not "a"'],
    ["entities?partial=maybe", 'partial: must be "true" or "false", not "maybe"'],
    ["entities?datetime=now", 'datetime: must be a time as 2026-01-02T03:04:05Z, not "now"'],
    ["events?limit=0&wherr=1", "limit: must be at least 1, not 0; wherr: is not known here"],
    ["entities/a/track?f=xml", 'f: must be "geojson" or "mf-json" or "ndjson", not "xml"'],
  ] as const)
    t.equal(await detail(`/v1/${query}`), said, query);

  for (const [method, path, body, said] of [
    ["POST", "webhooks", {}, "url: is missing"],
    ["POST", "webhooks", [], "the body: must be a JSON object, not an array"],
    [
      "POST",
      "webhooks",
      { url: 5, enabled: "no" },
      'url: must be a string, not 5; enabled: must be true or false, not "no"',
    ],
    ["POST", "webhooks", { url: "ftp://a" }, 'url: must be an http or https address, not "ftp://a"'],
    ["PUT", "machines/m", { kinds: [], definition: {} }, "kinds: is empty"],
    ["PUT", "machines/m", { kinds: "vessel" }, 'kinds: must be a list, not "vessel"; definition: is missing'],
    [
      "PUT",
      "fences/f",
      fence({ dwellMs: "5" }),
      "/properties/dwellMs: a number is needed here, not a string",
    ],
    [
      "PUT",
      "fences/f",
      fence({ dwellMs: -5 }),
      "/properties/dwellMs: it is at least 0 and at most 604800000, not -5",
    ],
  ] as const)
    t.equal(await detail(`/v1/${path}`, { method, body: JSON.stringify(body) }), said);

  const reports = [{ t: "2026-01-02T03:04:05Z" }, { id: 7 }, { id: "a", speed: "5" }, { id: "a", lon: 200 }];
  const { refused } = (await (await app.post(JSON.stringify(reports))).json()) as {
    refused: { detail: string }[];
  };
  t.strictSame(
    refused.map((one) => one.detail),
    [
      "id is missing",
      "id must be a string",
      "speed must be a number",
      "lon must be from -180 to 180, not 200",
    ],
  );
});

function fence(properties: object): object {
  const coordinates = [
    [
      [0, 0],
      [1, 0],
      [1, 1],
      [0, 0],
    ],
  ];
  return { type: "Feature", geometry: { type: "Polygon", coordinates }, properties };
}
