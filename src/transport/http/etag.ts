/** Whether who asks has an answer with this `ETag` already: `If-None-Match`, compared weakly (RFC 9110, 13.1.2). */
export function isKnown(headers: Headers, etag: string): boolean {
  const known = headers.get("if-none-match")?.split(",").map(strong);
  return known !== undefined && (known.includes(strong(etag)) || known.includes("*"));
}

function strong(tag: string): string {
  return tag.trim().replace(/^W\//, "");
}
