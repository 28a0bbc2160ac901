import t from "tap";
import { MAX_JSON_BODY_BYTES, MAX_LINE_BYTES } from "../../src/limits.ts";
import { jsonFault, jsonFaultAt } from "../../src/transport/ingest/json-fault.ts";
import { LineSplitter } from "../../src/transport/ingest/ndjson.ts";
import { fc } from "../support/seeded.ts";

interface Told {
  lines: [number, string][];
  tooLong: number[];
}

function split(
  chunks: Uint8Array[],
  options: { finish?: boolean; maxBytes?: number; maxLines?: number } = {},
): Told {
  const told: Told = { lines: [], tooLong: [] };
  const splitter = new LineSplitter(
    {
      line: (bytes, index) => void told.lines.push([index, Buffer.from(bytes).toString()]),
      tooLong: (index) => void told.tooLong.push(index),
    },
    options.maxBytes,
  );
  for (const chunk of chunks)
    for (let at = 0; at < chunk.length; ) at = splitter.push(chunk, at, options.maxLines);
  if (options.finish ?? true) splitter.finish();
  return told;
}
const bytes = (text: string) => Buffer.from(text);

t.test("[I15] lines end with LF or CRLF, blank ones are counted and skipped", async (t) => {
  t.strictSame(split([bytes("a\nb\r\n\n \t\r\nc\n")]).lines, [
    [0, "a"],
    [1, "b"],
    [4, "c"],
  ]);
  t.strictSame(split([]).lines, []);
  t.strictSame(split([bytes("\n\n")]).lines, []);
});

t.test(
  "[I16] the last line needs no end if the body was whole; half a line of a broken body is dropped",
  async (t) => {
    t.strictSame(split([bytes("a\nb")]).lines, [
      [0, "a"],
      [1, "b"],
    ]);
    t.strictSame(split([bytes("a\nb\r")]).lines, [
      [0, "a"],
      [1, "b"],
    ]);
    t.strictSame(split([bytes("a\nb")], { finish: false }).lines, [[0, "a"]]);
  },
);

t.test("[I17] it does not matter how the bytes are cut", async () => {
  const text = fc.array(
    fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("\n", "\r\n", "\r", " ", "漢🚢")),
  );
  fc.assert(
    fc.property(text, fc.array(fc.nat(20)), fc.integer({ min: 1, max: 40 }), (parts, cuts, maxBytes) => {
      const whole = bytes(parts.join(""));
      const chunks: Uint8Array[] = [];
      let from = 0;
      for (const cut of cuts) {
        chunks.push(whole.subarray(from, from + cut));
        from += cut;
      }
      chunks.push(whole.subarray(from));
      const expected = split([whole], { maxBytes });
      const actual = split(chunks, { maxBytes });
      const inSlices = split(chunks, { maxBytes, maxLines: 2 });
      return [actual, inSlices].every((told) => JSON.stringify(told) === JSON.stringify(expected));
    }),
    { numRuns: 2_000 },
  );
});

t.test("[I18] a line over the limit is told once and costs no memory, the next is taken", async (t) => {
  const long = bytes("x".repeat(11));
  t.strictSame(split([bytes("a\n"), long, bytes("\nb")], { maxBytes: 10 }), {
    lines: [
      [0, "a"],
      [2, "b"],
    ],
    tooLong: [1],
  });
  t.strictSame(
    split([bytes("x".repeat(10)), bytes("\r\n")], { maxBytes: 10 }).tooLong,
    [],
    "CRLF does not count",
  );
  const chunks = Array.from({ length: 1_000 }, () => bytes("x".repeat(10)));
  t.strictSame(split([...chunks, bytes("\nb")], { maxBytes: 10 }), { lines: [[1, "b"]], tooLong: [0] });
  t.strictSame(split(chunks, { maxBytes: 10 }), { lines: [], tooLong: [0] });
});

t.test("[I19] a fault in JSON is told with its place", async (t) => {
  const table: [string, number][] = [
    ["", 0],
    ["[1,2,}", 5],
    ["[1,2", 4],
    ['{"a":NaN}', 5],
    ['{"a" 1}', 5],
    ["{a:1}", 1],
    ['{"a":1,}', 7],
    ["[1]]", 3],
    ["[01]", 1],
    ["[1.]", 1],
    ['["a\nb"]', 1],
    ["'a'", 0],
    ["nul", 0],
    [" [ { } ,\n x ]", 10],
  ];
  for (const [text, at] of table) t.equal(jsonFaultAt(text), at, text);
  t.equal(jsonFault('[\n {"a": NaN}]'), 'Not JSON at character 9 (line 2, column 8): "NaN}]".');
  t.equal(jsonFault("[1"), "The JSON ends too early, at character 2.");
  t.equal(jsonFaultAt("[".repeat(MAX_LINE_BYTES)), MAX_LINE_BYTES);
});

t.test("[I19] of a large text the place of the fault is looked for in its beginning", async (t) => {
  const beyond = "Not JSON; no fault in the first 65536 characters, farther on it is not looked for.";
  for (const part of ["x", "\\n", "\\u00e4", "ä", "🚢", "\\\\"]) {
    const large = part.repeat(MAX_JSON_BODY_BYTES / part.length);
    for (const text of [`["${large}`, `{"${large}": "${large}"}}`, `[x"${large}`])
      t.equal(jsonFaultAt(text), text.startsWith("[x") ? 1 : undefined, `strings of ${part}`);
    const near = part.repeat(Math.floor(MAX_LINE_BYTES / part.length) - 8);
    t.equal(jsonFaultAt(`["${near}", x, "${large}`), near.length + 5);
  }
  // Each took 0.2 to 0.9 s: a tenth of a second is far from that on any machine.
  for (const part of ["[", "1,", "\n", '"a",', '{"a":']) {
    const text = `[${part.repeat(MAX_JSON_BODY_BYTES / part.length)}x`;
    let least = Infinity;
    for (let i = 0; i < 3; i++) {
      const began = performance.now();
      t.equal(jsonFault(text), beyond, JSON.stringify(part));
      least = Math.min(least, performance.now() - began);
    }
    t.ok(least < 100, `${least.toFixed(1)} ms`);
  }
});

t.test("[I19] whatever is JSON has no fault, whatever is not has one within the text", async () => {
  fc.assert(
    fc.property(fc.json(), (text) => jsonFaultAt(text) === text.length),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.json(), fc.nat(), fc.constantFrom("", "}", ",", '"', "x", "1"), (json, place, insert) => {
      const at = place % (json.length + 1);
      const text = json.slice(0, at) + insert + json.slice(insert === "" ? at + 1 : at);
      try {
        JSON.parse(text);
        return jsonFaultAt(text) === text.length;
      } catch {
        return jsonFaultAt(text)! <= text.length;
      }
    }),
    { numRuns: 2_000 },
  );
});
