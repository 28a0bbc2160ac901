const PREFIX = "/v1/entities/";

/** The id in a path that begins with `/v1/entities/` and ends with it; `undefined` if it is not percent-encoded UTF-8. */
export function pathId(path: string): string | undefined {
  try {
    return decodeURIComponent(path.slice(PREFIX.length));
  } catch {
    return undefined;
  }
}
