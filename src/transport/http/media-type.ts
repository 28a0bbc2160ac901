import type { HeaderReader } from "../server/server.ts";
import { problemResponse } from "./problem-response.ts";

/** The media type of a body, in lower case; `undefined` if it is compressed or in another charset than UTF-8. */
export function mediaType(headers: HeaderReader): string | undefined {
  const [type, ...parameters] = (headers.get("content-type") ?? "").toLowerCase().split(";");
  const charset = parameters.find((parameter) => parameter.trim().startsWith("charset="));
  if (charset !== undefined && !/^charset="?utf-?8"?$/.test(charset.trim())) return undefined;
  const coding = headers.get("content-encoding")?.toLowerCase() ?? "identity";
  return coding === "identity" ? type.trim() : undefined;
}

/** As whom clients send JSON that name no type of their own: nobody, `curl -d`, and `fetch` with a string. */
const UNNAMED = ["", "application/x-www-form-urlencoded", "text/plain"];
const NAMED = /^application\/([\w.-]+\+)?json$/;

/**
 * Why a body is not read as JSON, if so. Types that a page of another site may send without being asked are taken, as a cookie
 * alone does not let such a page change anything.
 */
export function unlessJson(headers: HeaderReader): Response | undefined {
  const type = mediaType(headers);
  if (type !== undefined && (NAMED.test(type) || UNNAMED.includes(type))) return undefined;
  return problemResponse("unsupported-media-type", "Send application/json in UTF-8, not compressed.");
}
