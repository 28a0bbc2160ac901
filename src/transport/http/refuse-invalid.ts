/** What zod refuses, as a problem that names each field. */
import type { z } from "zod";
import { problemResponse } from "./problem-response.ts";

export function refuseInvalid(error: z.ZodError): Response {
  const errors = error.issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((field) => ({ field, detail: "is not known here" }));
    return [{ field: issue.path.join("."), detail: issue.message }];
  });
  const detail = errors.map((one) => `${one.field}: ${one.detail}`).join("; ");
  return problemResponse("bad-request", detail, { members: { errors } });
}
