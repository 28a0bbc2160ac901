import { MAX_SMALL_BODY_BYTES } from "../../limits.ts";
import { type BodyBudget, bodyOf } from "./body.ts";
import { readJson } from "./json-body.ts";
import { toResponse } from "./problem-response.ts";

/** Reads a small body as JSON; an empty one is `{}`. @returns the answer that says why there is none, if so. */
export async function readSmallJson(
  request: Request,
  bodies: BodyBudget,
): Promise<{ value: unknown } | Response> {
  using share = bodies.share();
  const length = request.headers.get("content-length");
  const tooLarge = `A body here may have ${MAX_SMALL_BODY_BYTES} bytes.`;
  const read = await readJson(bodyOf(request), length, MAX_SMALL_BODY_BYTES, share, tooLarge, "{}");
  return "refusal" in read ? toResponse(read.refusal) : read;
}
