/** Where a request carries its token. */
import type { HeaderReader } from "../transport/server/server.ts";

const TOKEN_COOKIE = "muster_token";
const TOKEN_PARAMETER = "token";

export interface OfferedToken {
  token: string;
  /** A cookie is sent by the browser on its own, so what it allows must come from our own pages. */
  from: "bearer" | "query" | "cookie";
}

/**
 * The token that a request offers: `Authorization: Bearer`, then `?token=` where that is allowed, then the cookie.
 * @param url the request's own address, with the host it was sent to.
 * @param inQuery whether a token may stand in the query: in WebSocket upgrades, which cannot have headers in browsers.
 */
export function offeredToken(
  headers: HeaderReader,
  url: Pick<URL, "port" | "searchParams">,
  inQuery = false,
): OfferedToken | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "");
  if (bearer !== null) return { token: bearer[1], from: "bearer" };
  const parameter = inQuery ? queryToken(url) : undefined;
  if (parameter) return { token: parameter, from: "query" };
  const cookies = headers.get("cookie");
  // Without the port it is one of before cookies had it.
  const kept = cookieOf(cookies, cookieName(url.port)) ?? cookieOf(cookies, TOKEN_COOKIE);
  return kept === undefined ? undefined : { token: cookieText(kept), from: "cookie" };
}

/** The token in an address; undefined = there is no `?token=`. A `+` is itself there, as it is pasted: no token has a space. */
export function queryToken({ searchParams }: Pick<URL, "searchParams">): string | undefined {
  return searchParams.get(TOKEN_PARAMETER)?.replaceAll(" ", "+");
}

/** The query of an address without its token. */
export function withoutToken({ searchParams }: Pick<URL, "searchParams">): URLSearchParams {
  const rest = new URLSearchParams(searchParams);
  rest.delete(TOKEN_PARAMETER);
  return rest;
}

/** Cookies know no ports, so that of two nodes on one host each would take the other's. */
function cookieName(port: string): string {
  return port === "" ? TOKEN_COOKIE : `${TOKEN_COOKIE}_${port}`;
}

function cookieOf(cookies: string | null, wanted: string): string | undefined {
  for (const cookie of cookies?.split(";") ?? []) {
    const [name, value] = cookie.trim().split("=", 2);
    if (name === wanted && value) return value;
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

/**
 * The cookie that keeps a token for our own pages: unreadable to scripts, never sent from other sites.
 * @param port the one of the request's own address, empty if there is none in it.
 */
export function tokenCookie(token: string, port: string): string {
  return `${cookieName(port)}=${encodeURIComponent(token)}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict`;
}

/**
 * Whether a request comes from one of our own pages, or from no page at all. `SameSite` does not tell two ports of one host apart.
 * @param url the request's own address, with the host it was sent to.
 */
export function isOwnOrigin(headers: HeaderReader, url: URL): boolean {
  const origin = headers.get("origin");
  return origin === null || URL.parse(origin)?.host === url.host;
}
