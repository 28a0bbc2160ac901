/** What nodes ask each other for queries over all of them, and answer; as JSON, of which `undefined` is left out. */
import {
  MAX_BOUND_LENGTH,
  MAX_IDS_PER_VIEW,
  MAX_LABEL_IDS,
  MAX_LIST_LIMIT,
  MAX_PERMITTED_TEXTS,
  MAX_QUERY_NAMES,
  SHARDS,
} from "../limits.ts";
import type { BboxQuery, NearQuery } from "../picture/query.ts";
import type { EntityRecord } from "../picture/record.ts";
import type { Permitting, StretchPage, StretchQuery, TailPage, ThenQuery } from "../tracks/ports.ts";
import type { Segment } from "../tracks/segment.ts";

/** What is asked of the picture. `permitted`: CEL texts over `entity`, of which any must be true; absent = everything may be seen. */
export type ListQuery = Omit<BboxQuery, "only"> & Permitting;
export type NearestQuery = Omit<NearQuery, "only"> & Permitting;

/** A query as it goes to other nodes. */
export type EntityQuery = {
  /** Only what is in these; absent = in any. */
  shards?: number[];
} & (
  | ({ is: "list" } & ListQuery)
  | ({ is: "near" } & NearestQuery)
  | ({ is: "one"; id: string } & Permitting)
  /** The labels that entities have. */
  | { is: "labels"; ids: readonly string[] }
  /** What of tracks is in memory: where everything was, or the way of one entity. */
  | ({ is: "then" } & ThenQuery)
  | ({ is: "tail"; id: string; known?: number } & TailBounds)
  | ({ is: "during"; after?: string; limit: number } & StretchQuery)
  /** Not a question: the events of an entity are deleted, nothing of them may stay in memory. */
  | { is: "forget"; id: string }
);

/** Of an entity's way, Unix ms; absent = without end. */
export interface TailBounds {
  /** Beyond these, both included, only when and where segments begin and end is told. */
  from?: number;
  to?: number;
  /** So are those that do not begin after this. */
  after?: number;
  /** Only segments that begin before this. */
  before?: number;
}

/** What one node says. */
export interface Answer {
  /** In order of id, or of distance. */
  records: EntityRecord[];
  /** Metres, of `near`; one for each record. */
  distances?: number[];
  /** There are others beyond the last record; of `tail`, before the first segment. */
  more: boolean;
  /** Shards it answered for, with their epochs. */
  shards: [number, number][];
  /** What may not be seen was left out, as was asked. A node of before does not know how to, and tells everything. */
  permitted?: true;
  /** Of `labels`, by id. */
  labels?: [id: string, labels: readonly string[]][];
  /** Of `then`, in place of `records`. */
  page?: TailPage;
  /** Of `tail`; unknown numbers are `null`. */
  segments?: Segment[];
  /** Of `during`; unknown numbers are `null`. */
  during?: StretchPage;
}

/** A question to another node, or its answer. */
export type QueryMessage =
  | { is: "query"; n: number; query: EntityQuery }
  | { is: "answer"; n: number; answer: Answer };

/** Reads a message of another node; `undefined` if it is none. Of records only what decides where they go is looked at. */
export function readQueryMessage(body: unknown): QueryMessage | undefined {
  if (!isObject(body) || !isCount(body.n)) return undefined;
  const fits =
    (body.is === "query" && isQuery(body.query)) || (body.is === "answer" && isAnswer(body.answer));
  return fits ? (body as QueryMessage) : undefined;
}

function isQuery(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { is, shards, id, bbox, limit, after, lon, lat, radius, k, kinds, states, known } = value;
  if (shards !== undefined && !(isListOf(shards, isIndex) && shards.length <= SHARDS)) return false;
  if (!isPermitted(value.permitted)) return false;
  const isKnown = known === undefined || isNumber(known);
  if (is === "tail") {
    const bounds = [value.from, value.to, after, value.before];
    const fits = bounds.every((bound) => bound === undefined || isNumber(bound));
    return typeof id === "string" && isKnown && fits;
  }
  if (is === "one" || is === "forget") return typeof id === "string";
  if (is === "labels") return isListOf(value.ids, isText) && value.ids.length <= MAX_LABEL_IDS;
  if (is === "during") return isStretchQuery(value);
  if (!isNames(kinds) || !isNames(states)) return false;
  if (is === "then" && !(isNumber(value.t) && isKnown)) return false;
  if (is === "list" || is === "then") {
    const fits = bbox === undefined || (isListOf(bbox, isNumber) && bbox.length === 4);
    return fits && isLimit(limit) && (after === undefined || typeof after === "string");
  }
  if (is !== "near") return false;
  return isNumber(lon) && isNumber(lat) && isLimit(k) && (radius === undefined || isNumber(radius));
}

function isStretchQuery({ from, to, region, ids, after, limit }: Record<string, unknown>): boolean {
  const isRegion =
    region === undefined ||
    (isObject(region) && [region.west, region.south, region.east, region.north].every(isNumber));
  const isIds = ids === undefined || (isListOf(ids, isText) && ids.length <= MAX_IDS_PER_VIEW);
  return (
    isNumber(from) &&
    isNumber(to) &&
    isRegion &&
    isIds &&
    isLimit(limit) &&
    (after === undefined || isText(after))
  );
}

function isAnswer(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { records, distances, more, shards, page, segments, during, labels } = value;
  if (labels !== undefined && !isListOf(labels, isLabels)) return false;
  if (during !== undefined && !isStretchPage(during)) return false;
  if (page !== undefined && !isTailPage(page)) return false;
  if (segments !== undefined && !isListOf(segments, isSegment)) return false;
  if (typeof more !== "boolean" || !isListOf(records, isRecord) || !isListOf(shards, isShard)) return false;
  return distances === undefined || (isListOf(distances, isNumber) && distances.length === records.length);
}

function isTailPage(value: unknown): boolean {
  if (!isObject(value)) return false;
  return (
    typeof value.more === "boolean" && isListOf(value.records, isRecord) && isListOf(value.elsewhere, isText)
  );
}

function isStretchPage(value: unknown): boolean {
  const isStretch = (item: unknown) =>
    isSegment(item) && isNumber((item as StretchPage["stretches"][0]).first);
  if (!isObject(value) || !isListOf(value.stretches, isStretch)) return false;
  return typeof value.more === "boolean" && (!value.more || value.stretches.length > 0);
}

function isSegment(value: unknown): boolean {
  if (!isObject(value) || typeof value.id !== "string" || !isNumber(value.recorded)) return false;
  const isPoint = (point: unknown) => isObject(point) && [point.t, point.lon, point.lat].every(isNumber);
  return isListOf(value.points, isPoint) && value.points.length > 0;
}

function isRecord(value: unknown): boolean {
  return isObject(value) && typeof value.id === "string" && isCount(value.epoch) && isCount(value.seq);
}

function isShard(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(isCount) && isIndex(value[0]);
}

/** The texts are looked at when they are compiled. */
function isPermitted(value: unknown): boolean {
  const isBound = (text: unknown) => isText(text) && text.length <= MAX_BOUND_LENGTH;
  return value === undefined || (isListOf(value, isBound) && value.length <= MAX_PERMITTED_TEXTS);
}

function isLabels(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && isText(value[0]) && isListOf(value[1], isText);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isIndex(value: unknown): boolean {
  return isCount(value) && (value as number) < SHARDS;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isListOf(value: unknown, fits: (item: unknown) => boolean): value is unknown[] {
  return Array.isArray(value) && value.every(fits);
}

function isNames(value: unknown): boolean {
  const isName = (name: unknown) => typeof name === "string";
  return value === undefined || (isListOf(value, isName) && value.length <= MAX_QUERY_NAMES);
}

function isNumber(value: unknown): boolean {
  return Number.isFinite(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isLimit(value: unknown): boolean {
  return isCount(value) && (value as number) >= 1 && (value as number) <= MAX_LIST_LIMIT;
}
