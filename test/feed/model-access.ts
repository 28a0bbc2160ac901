/** What happens beside in the histories of clients who may not see all: labels and roles change. */
import type { Principal, Role } from "../../src/access/ports.ts";
import { fc } from "../support/seeded.ts";
import { add, IDS, step, subscribe } from "./model-steps.ts";

/** By client. */
export const PRINCIPALS: readonly Principal[] = ["north", "south"].map((fleet) => ({
  ...{ id: fleet, name: fleet },
  roles: ["viewer"],
  attributes: { fleet },
}));

const OWN = "principal.attributes.fleet in entity.labels";
/** What may be seen: what only labels change, what a move may, all, nothing. */
const WHERES: readonly (readonly (string | undefined)[])[] = [
  [OWN],
  [OWN, "entity.speed > 10"],
  ["entity.kind == 'ship'"],
  [undefined],
  [],
];
export const ROLES: readonly Role[] = WHERES.map((wheres) => ({
  name: "viewer",
  grants: wheres.map((where) => ({ resource: "entity", actions: ["read"], where })),
}));
export const LABELS = [[], ["north"], ["south"], ["north", "south"]];

const labels = fc.record({
  do: fc.constant("labels" as const),
  id: fc.nat(IDS - 1),
  labels: fc.nat(LABELS.length - 1),
});
const role = fc.record({
  do: fc.constant("role" as const),
  role: fc.constantFrom(...ROLES.keys(), 0, 0, 1),
});
/** A history starts with something that some may see, and somebody who looks. */
export const accessSteps = fc
  .tuple(
    fc.array(add, { minLength: 3, maxLength: 8 }),
    fc.array(labels, { minLength: 2, maxLength: 6 }),
    fc.tuple(role),
    fc.array(subscribe, { minLength: 1, maxLength: 4 }),
    fc.array(
      fc.oneof(
        { weight: 8, arbitrary: step },
        { weight: 2, arbitrary: labels },
        { weight: 1, arbitrary: role },
      ),
      { minLength: 1, maxLength: 100, size: "max" },
    ),
  )
  .map((parts) => parts.flat());

export type AccessStep =
  | (typeof labels extends fc.Arbitrary<infer S> ? S : never)
  | (typeof role extends fc.Arbitrary<infer S> ? S : never);
