/** Which strings may enter: everything that is stored, shown and compared goes through here. */

/** What is wrong with a string, to follow its name in a sentence; `undefined` if nothing is. */
export type TextFault = string | undefined;

/**
 * Looks for what PostgreSQL cannot store (NUL, lone surrogates) and what breaks logs and screens (control characters C0, DEL, C1).
 * @param lines whether tab, line feed and carriage return are allowed, as they are in the text of attributes.
 */
export function textFault(text: string, lines: boolean): TextFault {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 32) {
      if (lines && (code === 9 || code === 10 || code === 13)) continue;
      return `contains the control character U+${code.toString(16).padStart(4, "0").toUpperCase()}`;
    }
    if (code < 127) continue;
    if (code < 160) return `contains the control character U+00${code.toString(16).toUpperCase()}`;
    if (code < 0xd800 || code > 0xdfff) continue;
    const next = code <= 0xdbff ? text.charCodeAt(i + 1) : 0;
    if (next >= 0xdc00 && next <= 0xdfff) i++;
    else return "contains half of a surrogate pair";
  }
  return undefined;
}

/** A value as it may stand in an error message: short, on one line. */
export function quoted(value: unknown): string {
  // `String` of an object calls what the object says.
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  const text = typeof value === "string" ? JSON.stringify(value.slice(0, 65)) : String(value).slice(0, 65);
  return text.length > 64 ? `${text.slice(0, 60)}…` : text;
}
