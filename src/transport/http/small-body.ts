import { MAX_SMALL_BODY_BYTES } from "../../limits.ts";
import { type BodyBudget, bodyOf } from "./body.ts";
import { readJson } from "./json-body.ts";
import { unlessJson } from "./media-type.ts";
import { toResponse } from "./problem-response.ts";

/** Reads a small body, or one of `maxBytes`, as JSON; an empty one is `{}`. @returns the answer that says why there is none, if so. */
export async function readSmallJson(
  request: Request,
  bodies: BodyBudget,
  maxBytes = MAX_SMALL_BODY_BYTES,
): Promise<{ value: unknown } | Response> {
  const refusal = unlessJson(request.headers);
  if (refusal !== undefined) return refusal;
  using share = bodies.share();
  const length = request.headers.get("content-length");
  const tooLarge = `A body here may have ${maxBytes} bytes.`;
  const read = await readJson(bodyOf(request), length, maxBytes, share, tooLarge, "{}");
  return "refusal" in read ? toResponse(read.refusal) : read;
}
