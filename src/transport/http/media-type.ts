import type { HeaderReader } from "../server/server.ts";

/** The media type of a body, in lower case; `undefined` if it is compressed or in another charset than UTF-8. */
export function mediaType(headers: HeaderReader): string | undefined {
  const [type, ...parameters] = (headers.get("content-type") ?? "").toLowerCase().split(";");
  const charset = parameters.find((parameter) => parameter.trim().startsWith("charset="));
  if (charset !== undefined && !/^charset="?utf-?8"?$/.test(charset.trim())) return undefined;
  const encoding = headers.get("content-encoding");
  return encoding !== null && encoding !== "identity" ? undefined : type.trim();
}
