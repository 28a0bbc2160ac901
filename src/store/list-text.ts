/** Lists as PostgreSQL reads them. `pg` quotes and escapes each element of an array that it is given, also numbers. */

/** Of numbers or truth values. */
export function listOf(values: readonly (number | boolean)[]): string {
  return `{${values.join()}}`;
}

/** @param values without NUL, as all texts that PostgreSQL takes. */
export function listOfTexts(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? "NULL" : `"${escaped(value)}"`)).join()}}`;
}

function escaped(text: string): string {
  return /["\\]/.test(text) ? text.replace(/["\\]/g, "\\$&") : text;
}
