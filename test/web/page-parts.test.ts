import assert from "node:assert/strict";
// The parts of the page that need no browser.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import t from "tap";
import { ProblemError } from "../../client/errors.ts";
import type { Entity } from "../../client/replica.ts";
import { whyBuild } from "../../web/build.ts";
import { clusterRadius, clusterText, countClusters } from "../../web/clusters.ts";
import { filterProblem } from "../../web/filter-field.ts";
import { countKinds } from "../../web/legend.ts";
import { type Foresee, Motion } from "../../web/motion.ts";
import { colourIndex, colourOf, PALETTE } from "../../web/palette.ts";
import { symbolOf } from "../../web/symbol.ts";
import { bboxOf, extentOf } from "../../web/viewport.ts";
import { full } from "../client/scripted.ts";

const entity = (more: object) => full("a", 24.7, 59.7, more) as Entity;

t.test("[W1] the box of a map is on the globe, and crosses 180° where the map does", async (t) => {
  const rows: [[number, number, number, number], [number, number, number, number]][] = [
    [
      [24, 59, 26, 61],
      [24, 59, 26, 61],
    ],
    [
      [170, -10, 190, 10],
      [170, -10, -170, 10],
    ],
    [
      [-190, -10, -170, 10],
      [170, -10, -170, 10],
    ],
    [
      [530, -10, 550, 10],
      [170, -10, -170, 10],
    ],
    [
      [-200, -95, 200, 95],
      [-180, -90, 180, 90],
    ],
    [
      [-180, 0, 180, 1],
      [-180, 0, 180, 1],
    ],
  ];
  for (const [shown, bbox] of rows) t.strictSame(bboxOf(...shown), bbox, shown.join(" "));
});

t.test("[W1] the first look is at all entities, across 180° if that is narrower", async (t) => {
  t.equal(extentOf([]), undefined);
  t.strictSame(extentOf([[24, 59]]), [24, 59, 24, 59]);
  t.strictSame(
    extentOf([
      [25, 60],
      [24, 61],
      [26, 59],
    ]),
    [24, 59, 26, 61],
  );
  t.strictSame(
    extentOf([
      [-179, 1],
      [178, 0],
      [-170, 2],
    ]),
    [178, 0, -170, 2],
  );
});

t.test("[W2] a symbol tells movement by its shape and silence by its fill", async (t) => {
  const rows: [object, ReturnType<typeof symbolOf>][] = [
    [
      { speed: 5, course: 90 },
      { shape: "hull", direction: 90, hollow: false, opacity: 1 },
    ],
    [
      { speed: 5, course: 90, heading: 95 },
      { shape: "hull", direction: 95, hollow: false, opacity: 1 },
    ],
    [
      { kind: "drone", speed: 5, course: 90 },
      { shape: "arrow", direction: 90, hollow: false, opacity: 1 },
    ],
    [
      { speed: 0.1, course: 90 },
      { shape: "dot", direction: 0, hollow: false, opacity: 1 },
    ],
    [{ speed: 5 }, { shape: "dot", direction: 0, hollow: false, opacity: 1 }],
    [{ course: 90 }, { shape: "hull", direction: 90, hollow: false, opacity: 1 }],
    [
      { course: 90, state: "online.stopped" },
      { shape: "dot", direction: 0, hollow: false, opacity: 1 },
    ],
    [
      { speed: 0, course: 90, state: "online.idle" },
      { shape: "point", direction: 0, hollow: false, opacity: 1 },
    ],
    [
      { speed: 5, course: 90, state: "online.idle" },
      { shape: "hull", direction: 90, hollow: false, opacity: 1 },
    ],
    [{ liveness: "stale" }, { shape: "dot", direction: 0, hollow: true, opacity: 0.75 }],
    [{ liveness: "lost" }, { shape: "dot", direction: 0, hollow: true, opacity: 0.45 }],
    [{ state: "offline" }, { shape: "dot", direction: 0, hollow: true, opacity: 1 }],
  ];
  for (const [more, symbol] of rows) t.strictSame(symbolOf(entity(more)), symbol, JSON.stringify(more));
});

t.test("[W3] a kind has one colour for ever; known kinds share theirs with none", async (t) => {
  const known = ["vessel", "vehicle", "aircraft", "person", "drone", "bus", "truck", "task"];
  t.strictSame(known.map(colourIndex), [0, 1, 2, 3, 4, 5, 6, 7]);
  t.strictSame(["ferry", "crane", "", "constructor"].map(colourIndex), [19, 38, 29, 31]);
  const met = new Set<number>();
  for (let i = 0; i < 500; i++) {
    const index = colourIndex(`kind ${i}`);
    assert.ok(index >= known.length && index < PALETTE.length, "beyond the known ones and in the palette");
    met.add(index);
  }
  t.equal(met.size, 40, "all that are left are used");
  const apart = PALETTE.flatMap((a, i) =>
    PALETTE.slice(0, i).map((b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])),
  );
  t.ok(Math.min(...apart) > 15, "any two differ");
  t.strictSame(colourOf("vessel"), [0, 138, 158]);
});

/** Nothing is foreseen but where it was. */
const stays: Foresee = ({ lon, lat }, _now, into) => {
  Object.assign(into, { lon, lat });
  return false;
};
/** A tenth of a degree to the east each second from time 0, until 10 s. */
const goesOn: Foresee = ({ lon, lat }, now, into) => {
  Object.assign(into, { lon: lon + Math.min(now, 10_000) * 1e-4, lat });
  return now < 10_000;
};
const at = (lon: number, lat: number, more: object = {}) => entity({ lon, lat, ...more });
const shown = (motion: Motion, now: number) => {
  const found = motion.at("a", now);
  return found && [...found.position.map((value) => Math.round(value * 1e6) / 1e6), found.moving];
};

t.test("[W4] an entity glides for as long as its pause was, within 100 and 1,000 ms", async (t) => {
  const motion = new Motion(stays);
  motion.told(at(10, 50), 0, true);
  t.strictSame(shown(motion, 0), [10, 50, false]);
  motion.told(at(10.1, 50.2), 400, true);
  t.strictSame(
    [400, 600, 799, 800, 5_000].map((now) => shown(motion, now)),
    [
      [10, 50, true],
      [10.05, 50.1, true],
      [10.09975, 50.1995, true],
      [10.1, 50.2, false],
      [10.1, 50.2, false],
    ],
  );
  motion.told(at(10.2, 50.2), 10_000, true);
  t.strictSame(shown(motion, 10_500)?.[0], 10.15, "at most a second");
  motion.told(at(10.2, 50.2, { state: "online.stopped" }), 10_500, true);
  t.strictSame(shown(motion, 10_750)?.[0], 10.175, "what is told of it otherwise does not hold it up");
  motion.told(at(10.3, 50.2), 10_750, true);
  t.strictSame(shown(motion, 10_750)?.[0], 10.175, "a new report starts from where it is drawn");
});

t.test("[W4] a far step, a step over 180° and a calm page do not glide", async (t) => {
  const rows: [from: number, to: number, glide: boolean][] = [
    [10, 11, true],
    [179.9, -179.9, true],
    [10, 10.1, false],
  ];
  for (const [from, to, glide] of rows) {
    const motion = new Motion(stays);
    motion.told(at(from, 0), 0, true);
    motion.told(at(to, 0), 500, glide);
    t.strictSame(shown(motion, 500), [to, 0, false], `${from} to ${to}`);
  }
  const motion = new Motion(stays);
  motion.told(at(1, 1), 0, true);
  motion.told(at(1.1, 1), 500, true);
  motion.remove("a");
  t.strictSame(motion.at("a", 500), undefined);
});

t.test(
  "[W10] what has speed and course goes on between reports, and a correction does not make it jump",
  async (t) => {
    const motion = new Motion(goesOn);
    motion.told(at(10, 50), 0, true);
    t.strictSame(
      [0, 500, 1_000, 10_000, 20_000].map((now) => shown(motion, now)),
      [
        [10, 50, true],
        [10.05, 50, true],
        [10.1, 50, true],
        [11, 50, false],
        [11, 50, false],
      ],
    );
    // As if it were slower than was foreseen: at 1,000 ms it is at 10.06 and not at 10.1.
    motion.told(at(9.96, 50), 1_000, true);
    t.strictSame(
      [1_000, 1_500, 2_000, 3_000].map((now) => shown(motion, now)),
      [
        [10.1, 50, true],
        [10.13, 50, true],
        [10.16, 50, true],
        [10.26, 50, true],
      ],
    );
    motion.told(at(20, 50), 3_000, true);
    t.strictSame(shown(motion, 3_000), [20.3, 50, true], "a far one does");
  },
);

t.test(
  "[W11] clusters are circles that grow with the logarithm of their number, which the legend sums up",
  async (t) => {
    t.strictSame([1, 1_000, 1_000_000].map(clusterRadius), [12, 24, 36]);
    t.strictSame([1, 950, 1_234, 45_600, 7_890_000].map(clusterText), [
      "1",
      "950",
      "1.23K",
      "45.6K",
      "7.89M",
    ]);
    const clusters: [number, number, number][] = [
      [1, 1, 6_000],
      [3, 3, 20],
      [9, 1, 500],
    ];
    t.equal(countClusters(clusters, [0, 0, 5, 5]), 6_020);
  },
);

t.test("[W12] a refused filter is told in the server's words, with the place of the mistake", async (t) => {
  const problem = { op: "error", type: "T", title: "Bad", status: 400, detail: "unexpected end" } as const;
  t.equal(filterProblem(new ProblemError({ ...problem, position: 14 })), "unexpected end (at character 15)");
  t.equal(filterProblem(new ProblemError(problem)), "unexpected end");
  t.equal(filterProblem(new Error("the view is closed")), "the view is closed");
});

t.test("[W7] the legend counts kinds, the most frequent first, and sums up the rest", async (t) => {
  const entities = ["b", "a", "c", "a", "b", "d", "a"].map((kind) => ({ kind }));
  t.strictSame(countKinds(entities, 2), [
    { kind: "a", count: 3 },
    { kind: "b", count: 2 },
    { kind: undefined, count: 2 },
  ]);
  t.strictSame(
    countKinds(entities, 4).map(({ kind }) => kind),
    ["a", "b", "c", "d"],
  );
});

t.test("[W9] the page is built if it is missing or older than what it is made of", async (t) => {
  const project = mkdtempSync(join(tmpdir(), "muster-web-"));
  t.teardown(() => rmSync(project, { recursive: true }));
  const write = (path: string, second: number) => {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), "");
    utimesSync(join(project, path), second, second);
  };
  for (const path of [
    "web/main.ts",
    "client/view.ts",
    "src/transport/feed/protocol.ts",
    "src/picture/dead-reckoning.ts",
    "package-lock.json",
  ]) {
    write(path, 1_000);
  }
  t.equal(whyBuild(project), "web/dist is missing");
  write("web/dist/index.html", 2_000);
  write("web/dist/assets/index.js", 3_000);
  t.equal(whyBuild(project), undefined);
  write("client/deep/view.ts", 2_500);
  t.equal(whyBuild(project), `${join("client", "deep", "view.ts")} is newer than web/dist`);
});

t.test("[W9] the README's commands exist, and those that serve build the page first", async (t) => {
  const text = (path: string) => readFileSync(join(import.meta.dirname, "../..", path), "utf8");
  const { scripts } = JSON.parse(text("package.json")) as { scripts: Record<string, string> };
  const commands = text("README.md").matchAll(/npm (?:run (?:-s )?([\w:]+)|(start|test)\b)([^`\n]*)/g);
  let serving = 0;
  for (const [command, run, short, rest] of commands) {
    const name = run ?? short;
    t.ok(name in scripts, command);
    if (!/\bserve\b/.test(scripts[name] + rest)) continue;
    serving++;
    t.match(`${scripts[`pre${name}`]} && ${scripts[name]}`, /node web\/build\.ts && .*\bserve\b/, command);
  }
  t.equal(serving, 2, "with the recording, and without");
});
