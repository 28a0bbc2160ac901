/** An invariant that does not hold. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: string;

  /** @param invariant its number among those of the cluster protocol, or a word. */
  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}

export function ensure(holds: boolean, invariant: string, message: () => string): asserts holds {
  if (!holds) throw new Violation(invariant, message());
}
