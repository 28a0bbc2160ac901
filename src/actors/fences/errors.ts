/** Why a fence is refused. Stable: clients may switch on it. */
export const FENCE_ERRORS = {
  "wrong-type": "A member has the wrong type, or is missing",
  "unknown-member": "A member is not known",
  "not-supported": "A geometry that GeoJSON has, and fences have not",
  "bad-place": "A position is no place on the globe",
  "bad-ring": "A ring is not closed, or has too few places",
  degenerate: "A ring or a line encloses nothing, or leads nowhere",
  "crossing-edges": "Edges of a polygon cross",
  "long-edge": "An edge spans more than 180° of longitude",
  "out-of-range": "A number is out of its range",
  "bad-name": "A kind or a title is empty, too long, or cannot be stored",
  "too-many-points": "The limit of points is reached",
  "too-many-kinds": "The limit of kinds is reached",
} as const;
export type FenceErrorCode = keyof typeof FENCE_ERRORS;

/** A fence that is refused. */
export class FenceError extends Error {
  override name = "FenceError";
  readonly code: FenceErrorCode;
  /** Where in the feature, as a JSON pointer (RFC 6901); empty = the whole. */
  readonly path: string;

  constructor(code: FenceErrorCode, path: string, detail: string) {
    super(`${path === "" ? "the fence" : path}: ${detail}`);
    this.code = code;
    this.path = path;
  }
}
