/** Where a request carries its token. */
import type { HeaderReader } from "../transport/server/server.ts";

export const TOKEN_COOKIE = "muster_token";
export const TOKEN_PARAMETER = "token";

export interface OfferedToken {
  token: string;
  /** A cookie is sent by the browser on its own, so what it allows must come from our own pages. */
  from: "bearer" | "query" | "cookie";
}

/**
 * The token that a request offers: `Authorization: Bearer`, then `?token=` where that is allowed, then the cookie.
 * @param query the query, where a token may stand in it: WebSocket upgrades, which cannot have headers in browsers.
 */
export function offeredToken(headers: HeaderReader, query?: URLSearchParams): OfferedToken | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "");
  if (bearer !== null) return { token: bearer[1], from: "bearer" };
  const parameter = query?.get(TOKEN_PARAMETER);
  if (parameter) return { token: parameter, from: "query" };
  for (const cookie of (headers.get("cookie") ?? "").split(";")) {
    const [name, value] = cookie.trim().split("=", 2);
    if (name === TOKEN_COOKIE && value) return { token: cookieText(value), from: "cookie" };
  }
  return undefined;
}

function cookieText(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    // Not our encoding: let the comparison refuse it.
    return value;
  }
}

/** The cookie that keeps a token for our own pages: unreadable to scripts, never sent from other sites. */
export function tokenCookie(token: string): string {
  return `${TOKEN_COOKIE}=${encodeURIComponent(token)}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict`;
}

/**
 * Whether a request comes from one of our own pages, or from no page at all. `SameSite` does not tell two ports of one host apart.
 * @param url the request's own address, with the host it was sent to.
 */
export function isOwnOrigin(headers: HeaderReader, url: URL): boolean {
  const origin = headers.get("origin");
  return origin === null || URL.parse(origin)?.host === url.host;
}
