import type { Bbox, Rate, Subscribe, Tolerance } from "../src/transport/feed/protocol.ts";

/** Which entities a view shows of those in its place. Absent = all. */
export interface Filter {
  /** Only these kinds; 1 … 64 of them. */
  kinds?: readonly string[];
  /**
   * Only those for which this [CEL](https://cel.dev) expression over `entity` is true, e.g. `entity.speed > 5.0 && 'harbour' in entity.fences`; at
   * most 1,024 characters. Its members are those of a record:
   *
   * - texts `id`, `kind`, `state`, `liveness` (`live`, `stale`, `lost`, `expired`);
   * - numbers `t`, in Unix ms (`entity.t > 1780000000000`), `lon`, `lat`, `alt`, `speed`, `course`, `heading`, `accuracy`, which are `null` if
   *   unknown: `has(entity.alt)`, `entity.alt == null`; an entity whose unknown number is compared by `<` or `>` is hidden;
   * - `attributes`, a map: `has(entity.attributes.flag) && entity.attributes.flag == 'FI'`; `labels` and `fences`, lists of texts.
   *
   * Functions are those of CEL without `matches`, those that make long texts and lists, and time zones; there is no `now`.
   */
  where?: string;
}

/** Where a view looks: exactly one of three. */
export type Place =
  /** West, south, east, north in degrees; west > east crosses 180°. */
  | { bbox: Bbox; ids?: undefined; follow?: undefined }
  /** These entities, wherever they are; 1 … 1,000 of them. */
  | { ids: readonly string[]; bbox?: undefined; follow?: undefined }
  /** A box around an entity, `radius` metres to each side, that moves with it. The view ends with the entity. */
  | { follow: { id: string; radius: number }; bbox?: undefined; ids?: undefined };

export type ViewOptions = Place &
  Filter & {
    /** Frames a second, 10 if absent. */
    rate?: Rate;
    /** The server holds back moves that `placeOf` foresees this well, up to a greatest age. Absent = every move is sent. */
    tolerance?: Tolerance;
    /** With more entities than this the view shows clusters instead. 5,000 if absent. */
    max?: number;
  };

/** Of a view of what was: of a box or of ids, without a tolerance. */
export type PlaybackOptions = ViewOptions & {
  follow?: undefined;
  tolerance?: undefined;
  /** The time from which on it plays; a number is Unix ms. */
  at: number | Date;
  /** Played seconds a second, 0 … 3,600; 0 = it stands. 1 if absent. */
  speed?: number;
};

/** @param bbox where the view is by now, if it has a box. @param moment the time that it is to show, and its speed, if it is of the past */
export function subscribeMessage(
  view: string,
  options: ViewOptions,
  bbox: Bbox | undefined,
  { kinds, where }: Filter,
  moment: { at: string; speed: number } | undefined,
): Subscribe {
  const { ids, follow, rate, tolerance, max } = options;
  const message: Subscribe = { op: "subscribe", view, ...moment };
  if (ids !== undefined) message.ids = [...ids];
  else if (follow !== undefined) message.follow = { id: follow.id, radius: follow.radius };
  else message.bbox = bbox;
  if (kinds !== undefined) message.kinds = [...kinds];
  if (where !== undefined) message.where = where;
  if (rate !== undefined) message.rate = rate;
  if (tolerance !== undefined) message.tolerance = tolerance;
  if (max !== undefined) message.max = max;
  return message;
}
