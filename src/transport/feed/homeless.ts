/** Views that cannot go on, and what their clients are told of it. */
import type { FilterCostly } from "../../picture/filter-time.ts";
import type { Session } from "./session.ts";
import type { View } from "./view.ts";

/** Why a view has to leave. */
export interface Expulsion {
  readonly type: "unavailable" | "forbidden";
  readonly detail: string;
}

/** A view that had to leave. */
export interface Homeless extends Expulsion {
  readonly view: View;
  readonly session: Session;
}

export const NO_CHANNEL: Expulsion = {
  type: "unavailable",
  detail: "too many different filters are in use",
};
export const FORBIDDEN: Expulsion = {
  type: "forbidden",
  detail: "none of the roles of who asks allows to see any entity",
};

export function tooCostly({ message: detail }: FilterCostly): Expulsion {
  return { type: "unavailable", detail };
}
