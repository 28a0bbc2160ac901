/** Small JSON bodies. */
import { MAX_BODIES_BYTES, MAX_SMALL_BODY_BYTES } from "../../limits.ts";
import { jsonFault } from "../ingest/json-fault.ts";
import { BodyBudget, bodyOf, readBody } from "./body.ts";
import { problemResponse } from "./problem-response.ts";

const budget = new BodyBudget(MAX_BODIES_BYTES);

/** The value of a request's body; an empty one is `{}`. Or the answer that says why there is none. */
export async function readSmallJson(request: Request): Promise<{ value: unknown } | Response> {
  using share = budget.share();
  const length = request.headers.get("content-length");
  const body = await readBody(bodyOf(request), length, MAX_SMALL_BODY_BYTES, share);
  if (body === "too-large")
    return problemResponse("body-too-large", `A body here may have ${MAX_SMALL_BODY_BYTES} bytes.`);
  if (body === "no-room")
    return problemResponse("overloaded", "Too many bodies are being worked on.", {
      headers: { "retry-after": "1" },
    });
  if (body === "broken") return problemResponse("bad-request", "The body ended before its length.");
  const text = new TextDecoder().decode(body);
  if (text.trim() === "") return { value: {} };
  try {
    return { value: JSON.parse(text) };
  } catch {
    return problemResponse("malformed-json", jsonFault(text));
  }
}
