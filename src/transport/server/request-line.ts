/** What every server does with a request's first line and its `Host`, before anybody else sees it. */
import { problemAnswer } from "../http/problem-response.ts";
import type { DirectAnswer } from "./server.ts";

/** RFC 9110, 9.1: a token. `node:http` looks by itself, uWebSockets.js does not. */
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** fetch forbids these; they are of no use here either. */
const FORBIDDEN = ["TRACE", "CONNECT", "TRACK"];

/** The address of a request, or `undefined` if its target or its `Host` are not valid. */
export function requestUrl(target: string, host: string | undefined): URL | undefined {
  if (!target.startsWith("/")) return URL.parse(target) ?? undefined;
  const name = host || "localhost";
  if (/[/?#@\\]/.test(name)) return undefined;
  return URL.parse(`http://${name}${target}`) ?? undefined;
}

/** Why a request cannot become one of fetch, if so. */
export function unservable(method: string, url: URL | undefined): DirectAnswer | undefined {
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:"))
    return problemAnswer("bad-request", "The request target or the Host header is not valid.");
  if (!METHOD.test(method)) return problemAnswer("bad-request", "The method is not valid.");
  if (FORBIDDEN.includes(method)) return problemAnswer("method-not-allowed", `${method} is not supported.`);
  return undefined;
}
