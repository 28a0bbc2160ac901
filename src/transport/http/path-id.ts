import { MAX_ID_LENGTH } from "../../limits.ts";
import { nameFault } from "../ingest/report.ts";
import { problemResponse } from "./problem-response.ts";

const PREFIX = "/v1/entities/";

/** The id in a path that begins with `/v1/entities/` and ends with it; else the answer that says that it is not percent-encoded UTF-8. */
export function pathId(path: string): string | Response {
  try {
    return decodeURIComponent(path.slice(PREFIX.length));
  } catch {
    return problemResponse("bad-request", "The id is not percent-encoded UTF-8.");
  }
}

/** As `pathId`, but an id that an entity may have; else the answer that says why it is none. */
export function entityId(path: string): string | Response {
  const id = pathId(path);
  if (id instanceof Response) return id;
  const fault = nameFault("the id", id, MAX_ID_LENGTH);
  return fault === undefined ? id : problemResponse("bad-request", fault);
}
