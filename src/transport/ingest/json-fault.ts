/**
 * Where a text stops being JSON. `JSON.parse` tells the place for some faults and not for others, in words that change
 * with the engine; this runs only after it has failed. Of a large body it looks at the beginning: all of 8 MiB would hold up the loop for up to a second.
 */
import { MAX_LINE_BYTES } from "../../limits.ts";

/** Whole lines of NDJSON; of a body 1 to 7 ms. */
const LOOKED_AT = MAX_LINE_BYTES;
const SPACE = /[ \t\r\n]*/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\d.eE])|true|false|null/y;
const PLAIN = /[^"\\\x00-\x1f]+/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

function matchEnd(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

/**
 * Piece by piece: one pattern for all of a string keeps a place to go back to for each character, and its stack overflows at 8 MB.
 * @returns where it was given up if it goes on beyond what is looked at.
 */
function stringEnd(text: string, from: number): number {
  if (text[from] !== '"') return -1;
  let at = from + 1;
  for (;;) {
    if (at > LOOKED_AT) return at;
    const next = text[at];
    if (next === '"') return at + 1;
    at = matchEnd(next === "\\" ? ESCAPE : PLAIN, text, at);
    if (at === -1) return -1;
  }
}

/**
 * The offset, in UTF-16 units, of the first token that cannot stand where it stands; the length if the text ends too early; `undefined` if it is
 * farther on than what is looked at.
 */
export function jsonFaultAt(text: string): number | undefined {
  /** What is open, innermost last: `{` or `[`. */
  const open: string[] = [];
  let expects: "value" | "first" | "name" | "more" = "value";
  let at = 0;
  for (;;) {
    at = matchEnd(SPACE, text, at);
    if (at > LOOKED_AT) return undefined;
    const next = text[at];
    if (expects === "more") {
      if (open.length === 0 || next === undefined) return at;
      const inObject = open.at(-1) === "{";
      if (next === ",") expects = inObject ? "name" : "value";
      else if (next === (inObject ? "}" : "]")) open.pop();
      else return at;
      at++;
    } else if (expects === "first" && next === (open.at(-1) === "{" ? "}" : "]")) {
      open.pop();
      expects = "more";
      at++;
    } else if (expects === "name" || (expects === "first" && open.at(-1) === "{")) {
      const end = stringEnd(text, at);
      if (end === -1) return at;
      at = matchEnd(SPACE, text, end);
      if (at > LOOKED_AT) return undefined;
      if (text[at] !== ":") return at;
      at++;
      expects = "value";
    } else if (next === "{" || next === "[") {
      open.push(next);
      expects = "first";
      at++;
    } else {
      const end = next === '"' ? stringEnd(text, at) : matchEnd(SCALAR, text, at);
      if (end === -1) return at;
      at = end;
      expects = "more";
    }
  }
}

/** The fault as a sentence with its place. */
export function jsonFault(text: string): string {
  const at = jsonFaultAt(text);
  if (at === undefined)
    return `Not JSON; no fault in the first ${LOOKED_AT} characters, farther on it is not looked for.`;
  if (at >= text.length) return `The JSON ends too early, at character ${at}.`;
  let line = 1;
  let begin = 0;
  for (let end = text.indexOf("\n"); end !== -1 && end < at; end = text.indexOf("\n", begin)) {
    line += 1;
    begin = end + 1;
  }
  return `Not JSON at character ${at} (line ${line}, column ${at - begin + 1}): ${JSON.stringify(text.slice(at, at + 16))}.`;
}
