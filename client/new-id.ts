/** A text that nobody else makes. Not `crypto.randomUUID`, which browsers have on pages from HTTPS and localhost only. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
