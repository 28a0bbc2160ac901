// The checker of histories, on made-up ones: good ones pass, and what is wrong with a bad one is found and named.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";
import type { HistoryEvent, ViolationName } from "../../chaos/history.ts";
import { judge } from "../../chaos/judge.ts";
import { temporaryFolder } from "../support/serve.ts";

type Line = HistoryEvent;

const sent = (batch: number, ...reports: [string, number][]): Line => ({
  ...{ is: "sent", at: 0, batch, to: "node-1", reports },
});
const answered = (batch: number, ...refused: [number, string, boolean][]): Line => ({
  ...{ is: "answered", at: 0, batch, refused },
});
const unanswered = (batch: number): Line => ({ is: "unanswered", at: 0, batch, why: "cut" });
const seen = (by: string, ...entities: [string, number, number, number][]): Line => ({
  ...{ is: "seen", at: 0, by, entities },
});
const owners = (by: string, ...shards: [number, number, string | null][]): Line => ({
  ...{ is: "owners", at: 0, by, shards },
});
const row = (n: number, subject: string, from: string, to: string, type = "state.changed"): Line => ({
  ...{ is: "recorded", rows: [[n, subject, type, from, to]] },
});
const final = (...entities: [string, number, number, number, string][]): Line => ({ is: "final", entities });
const stored = (...entities: [string, number, number, number, string][]): Line => ({
  is: "stored",
  entities,
});

/**
 * Two entities. a: 1 and 2 taken, 2 only when it was sent again, and acknowledged twice. b: 1 refused for good, 2 taken, 3 refused for now and taken
 * later, when 4 had been taken. seq is 2 for the beginning, and 1 for each report and each change.
 */
const GOOD: readonly Line[] = [
  owners("database", [0, 1, "x"], [1, 1, "y"]),
  sent(1, ["a", 1], ["b", 1]),
  answered(1, [1, "too-old", false]),
  sent(2, ["a", 2]),
  seen("v", ["a", 2, 1, 5]),
  { is: "fault", at: 0, what: "kill", target: "node-1" },
  unanswered(2),
  owners("database", [0, 2, "y"], [1, 1, null]),
  owners("node-2", [0, 2, "y"], [1, 1, "y"]),
  seen("v", ["a", 1, 2, 4]),
  sent(3, ["a", 2], ["b", 2]),
  sent(4, ["a", 2]),
  answered(4),
  answered(3),
  sent(5, ["b", 3]),
  sent(6, ["b", 4]),
  answered(5, [0, "retry", true]),
  answered(6),
  sent(7, ["b", 3]),
  answered(7),
  seen("v", ["a", 2, 2, 5], ["b", 4, 1, 7]),
  { is: "quiet", at: 1_000, withinMs: 10_000 },
  { is: "settled", at: 9_000 },
  row(1, "a", "offline", "online.moving"),
  row(2, "b", "offline", "online.stopped"),
  row(3, "b", "online.stopped", "online.moving"),
  final(["a", 2, 2, 5, "online.moving"], ["b", 4, 1, 7, "online.moving"]),
  stored(["a", 2, 2, 5, "online.moving"], ["b", 4, 1, 7, "online.moving"]),
  { is: "picture", by: "v", entities: { a: "2 moving" } },
  { is: "answer", by: "v", entities: { a: "2 moving" } },
];

const asked = (ask: number, entity: string, id: string): Line => ({
  ...{ is: "asked", at: 0, ask, to: "node-1", command: [entity, id], name: "sign-off" },
});
const told = (ask: number, result: "accepted" | "refused" | "unknown", state?: string): Line => ({
  ...{ is: "told", at: 0, ask, result, state },
});
const decided = (...rows: [number, string, string, boolean, string][]): Line => ({ is: "decided", rows });
const X = [3, "a", "x", true, "offline"] as [number, string, string, boolean, string];
const Y = [4, "a", "y", false, "offline"] as typeof X;

/** x is asked three times, answered twice, and accepted once; y is refused. Each counts among the facts of a. */
const COMMANDED: readonly Line[] = [
  sent(1, ["a", 1]),
  answered(1),
  asked(1, "a", "x"),
  asked(2, "a", "x"),
  told(1, "unknown"),
  told(2, "accepted", "offline"),
  asked(3, "a", "y"),
  told(3, "refused"),
  asked(4, "a", "x"),
  told(4, "accepted", "offline"),
  { is: "quiet", at: 1_000, withinMs: 10_000 },
  { is: "settled", at: 2_000 },
  row(1, "a", "offline", "online.moving"),
  row(2, "a", "online.moving", "offline"),
  decided(X, Y),
  final(["a", 1, 1, 7, "offline"]),
];

/** GOOD with one event in the place of another; of a kind and with a text by which it is found. */
function instead(of: string, ...lines: Line[]): Line[] {
  const at = GOOD.findIndex((event) => JSON.stringify(event).includes(of));
  if (at < 0) throw new Error(`there is no ${of}`);
  return GOOD.toSpliced(at, 1, ...lines);
}

const BAD: [what: string, rule: ViolationName, history: Line[], events: number[]][] = [
  [
    "an entity is older than acknowledged",
    "lost",
    instead('"final"', final(["a", 1, 2, 5, "online.moving"], ["b", 4, 1, 7, "online.moving"])).filter(
      ({ is }) => is !== "stored",
    ),
    [13, 27],
  ],
  ["an entity is gone", "lost", instead('"final"', final(["b", 4, 1, 7, "online.moving"])), [13, 27]],
  [
    "a report that was sent again is taken twice",
    "doubled",
    [...GOOD.slice(0, 26), final(["a", 2, 2, 6, "online.moving"], ["b", 4, 1, 7, "online.moving"])],
    [13, 24, 27],
  ],
  [
    "a report that was acknowledged has left no fact, though a newer one has",
    "swallowed",
    [...GOOD.slice(0, 26), final(["a", 2, 2, 5, "online.moving"], ["b", 4, 1, 6, "online.moving"])],
    [18, 26, 27],
  ],
  [
    "a viewer sees a number that nobody sent",
    "invented",
    instead('["a",2,2,5],["b"', seen("v", ["a", 3, 2, 5])),
    [21],
  ],
  ["a viewer sees a number before it was sent", "invented", [seen("v", ["a", 1, 1, 4]), ...GOOD], [1]],
  [
    "a report that was refused for good is taken",
    "refused-taken",
    [
      sent(1, ["a", 1]),
      answered(1),
      sent(2, ["a", 2]),
      answered(2, [0, "invalid-report", false]),
      final(["a", 2, 1, 4, "online.moving"]),
    ],
    [4, 5],
  ],
  [
    "a report is never answered",
    "not-answered",
    GOOD.filter((event) => event.is !== "answered" || event.batch !== 7),
    [15, 22],
  ],
  [
    "an epoch goes back for a viewer",
    "went-back",
    instead('["a",2,2,5],["b"', seen("v", ["a", 2, 1, 9])),
    [10, 21],
  ],
  [
    "seq goes back within an epoch",
    "went-back",
    instead('["a",2,2,5],["b"', seen("v", ["a", 2, 2, 3])),
    [10, 21],
  ],
  [
    "a number goes back within an epoch",
    "reordered",
    GOOD.toSpliced(21, 0, seen("v", ["a", 1, 2, 6])),
    [21, 22],
  ],
  [
    "a viewer shows something else than REST",
    "picture-differs",
    instead('"answer"', { is: "answer", by: "v", entities: { a: "2 stopped" } }),
    [29, 30],
  ],
  [
    "a viewer shows what REST does not have",
    "picture-differs",
    instead('"answer"', { is: "answer", by: "v", entities: {} }),
    [29, 30],
  ],
  [
    "a viewer does not show what REST has",
    "picture-differs",
    instead('"answer"', { is: "answer", by: "v", entities: { a: "2 moving", b: "4" } }),
    [29, 30],
  ],
  [
    "the table has another entity",
    "stored-differs",
    instead('"stored"', stored(["a", 1, 2, 4, "online.moving"], ["b", 4, 1, 7, "online.moving"])),
    [28, 27],
  ],
  [
    "the table lacks an entity",
    "stored-differs",
    instead('"stored"', stored(["b", 4, 1, 7, "online.moving"])),
    [28, 27],
  ],
  [
    "a change is recorded twice",
    "no-chain",
    // As many facts as rows: that each is a fact of its own is another rule.
    [
      ...GOOD.slice(0, 24),
      row(4, "a", "offline", "online.moving"),
      ...GOOD.slice(24, 26),
      final(["a", 2, 2, 6, "online.moving"], ["b", 4, 1, 7, "online.moving"]),
    ],
    [24, 25],
  ],
  [
    "a whole turn of changes is missing",
    "doubled",
    [...GOOD.slice(0, 26), final(["a", 2, 2, 7, "online.moving"], ["b", 4, 1, 7, "online.moving"])],
    [13, 24, 27],
  ],
  [
    "the last change is missing",
    "last-event",
    [...GOOD.slice(0, 25), final(["a", 2, 2, 5, "online.moving"], ["b", 4, 1, 6, "online.moving"])],
    [25, 26],
  ],
  [
    "an epoch goes back",
    "epoch-went-back",
    instead('"y"],[1,1,null]', owners("database", [0, 0, null])),
    [1, 8],
  ],
  ["two nodes have one epoch", "two-owners", instead('"node-2"', owners("node-2", [0, 2, "z"])), [8, 9]],
  [
    "two nodes have one epoch, one after the other",
    "two-owners",
    instead('"y"],[1,1,null]', owners("database", [1, 1, "x"])),
    [1, 8],
  ],
  ["it settles too late", "unsettled", instead('"settled"', { is: "settled", at: 11_001 }), [22, 23]],
  ["it never settles", "unsettled", GOOD.filter(({ is }) => is !== "settled"), [22]],
  ["an answer without a question", "malformed", [...GOOD, answered(9)], [31]],
  ["a batch is answered twice", "malformed", [...GOOD, answered(7)], [31]],
  [
    "a command is decided twice",
    "doubled",
    [
      ...COMMANDED.slice(0, 14),
      decided(X, Y, [5, "a", "x", false, "offline"]),
      final(["a", 1, 1, 8, "offline"]),
    ],
    [15, 15],
  ],
  [
    "a command is decided twice, and only its facts show it",
    "doubled",
    COMMANDED.with(15, final(["a", 1, 1, 8, "offline"])),
    [2, 15, 16],
  ],
  [
    "what was said of a command is not recorded",
    "command-lost",
    [...COMMANDED.slice(0, 14), decided(X), final(["a", 1, 1, 6, "offline"])],
    [8, 15],
  ],
  [
    "a command was told otherwise than it is recorded",
    "command-contradicted",
    COMMANDED.with(14, decided(X, [4, "a", "y", true, "offline"])),
    [8, 15],
  ],
  [
    "a command was told another state than is recorded",
    "command-contradicted",
    COMMANDED.with(14, decided([3, "a", "x", true, "stale"], Y)),
    [6, 15],
  ],
  ["a command has two answers", "command-contradicted", COMMANDED.with(9, told(4, "refused")), [6, 10]],
  [
    "a command that nobody asked is decided",
    "invented",
    COMMANDED.with(14, decided(X, Y, [5, "a", "z", false, "offline"])).with(
      15,
      final(["a", 1, 1, 8, "offline"]),
    ),
    [15],
  ],
  ["a command is never answered for good", "not-answered", COMMANDED.with(7, told(3, "unknown")), [7, 12]],
  ["a command is answered without being asked", "malformed", [...COMMANDED, told(9, "unknown")], [17]],
  [
    "an ask has the number of another",
    "malformed",
    [...COMMANDED, asked(5, "a", "x"), asked(5, "a", "x")],
    [18],
  ],
  ["numbers with a gap", "malformed", [sent(1, ["a", 2]), answered(1)], [1]],
];

t.test("a history with refusals, repeats, late reports and a crash is right", async (t) => {
  t.same(judge(GOOD).violations, []);
});

t.test("a history with commands that are repeated, accepted and refused is right", async (t) => {
  t.same(judge(COMMANDED).violations, []);
});

t.test("what was sent and never answered may be there or not", async (t) => {
  const began = [sent(1, ["a", 1]), answered(1), sent(2, ["a", 2]), unanswered(2), sent(3, ["a", 3])];
  const change = row(1, "a", "offline", "online.moving");
  for (const at of [
    ["a", 1, 1, 4, "online.moving"],
    ["a", 2, 1, 5, "online.moving"],
    ["a", 3, 1, 5, "online.moving"],
    ["a", 3, 1, 6, "online.moving"],
  ] as [string, number, number, number, string][])
    t.same(judge([...began, change, final(at)]).violations, [], at.join());
});

t.test("silence counts, and the report that ends it is a fact already", async (t) => {
  const history = [
    ...[sent(1, ["a", 1]), answered(1), sent(2, ["a", 2]), answered(2)],
    row(1, "a", "offline", "online.stopped"),
    row(2, "a", "live", "stale", "liveness.changed"),
    row(3, "a", "online.stopped", "stale"),
    row(4, "a", "stale", "live", "liveness.changed"),
    row(5, "a", "stale", "online.stopped"),
    final(["a", 2, 1, 8, "online.stopped"]),
  ];
  t.same(judge(history).violations, []);
});

for (const [what, rule, history, events] of BAD) {
  t.test(`found: ${what}`, async (t) => {
    const { violations } = judge(history);
    t.same(
      violations.map((violation) => [violation.rule, violation.events]),
      [[rule, events]],
      violations.map(({ text }) => text).join("\n"),
    );
  });
}

t.test("the program says what is wrong, on which lines, and exits with 1", async (t) => {
  const program = fileURLToPath(new URL("../../chaos/check-history.ts", import.meta.url));
  const folder = await temporaryFolder(t);
  const check = async (lines: readonly (Line | string)[]) => {
    const file = join(folder, "history.ndjson");
    const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
    await writeFile(file, `${text.join("\n")}\n`);
    return run([program, file]);
  };
  t.same(await check(GOOD), { code: 0, stdout: "30 events, no violation\n" });
  const bad = await check(instead('"settled"', { is: "settled", at: 11_001 }));
  t.equal(bad.code, 1);
  t.match(bad.stdout, "unsettled: it took 10001 ms, 10000 are allowed [events 22, 23]");
  const many = await check([...GOOD, ...Array.from({ length: 50 }, () => answered(99))]);
  t.match(many.stdout, "50 × malformed: The history itself makes no sense, 30 of them not shown");
  const broken = await check([...GOOD, "{", '{"is":"nothing"}']);
  t.match(broken.stdout, "malformed: the line is not JSON [events 31]");
  t.match(broken.stdout, "[events 32]");
  t.equal((await run([program])).code, 2);
  t.equal((await run([program, join(folder, "absent")])).code, 2);
});

async function run(args: string[]): Promise<{ code: number; stdout: string }> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args);
    return { code: 0, stdout };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { code, stdout };
  }
}
