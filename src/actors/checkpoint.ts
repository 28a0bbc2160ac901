/**
 * A shard's entities as one blob, column by column: what recovery loads, and what the `entity` rows are made of. Opaque to the store.
 */
import assert from "node:assert/strict";
import type { Float32Column, Float64Column, Uint16Column, Uint32Column } from "../picture/rows.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { CommandMemory } from "./command-memory.ts";
import type { EntityTable } from "./entity-table.ts";
import type { Occupied } from "./fences/occupied.ts";
import { readOccupied, writeOccupied } from "./fences/occupied-codec.ts";
import { FormerWays } from "./former-ways.ts";
import type { ArmedTimer } from "./machine/step.ts";
import { NOTHING_REMEMBERED } from "./machine-memory.ts";
import type { JsonObject } from "./messages.ts";
import type { Shard } from "./shard.ts";

const VERSION = 8;
/** The first version had no commands, the second no tracks of deleted entities, the third not what is left to do of them, the fourth no machines but the built-in one, the fifth no fences and no times of places, the sixth no short duplicate memories, and its ids stood beside other numbers, the seventh not until when former ways went; else they are the same. */
const WITHOUT_COMMANDS = 1;
const WITHOUT_DEPARTED = 2;
const WITHOUT_LEAVING = 3;
const WITHOUT_MACHINES = 4;
const WITHOUT_FENCES = 5;
const LAST_LONG = 6;
const WITHOUT_FORMER_WAYS = 7;
const NUMERIC = ["lon", "lat", "t", "received"] as const;
const MOTION = ["alt", "speed", "course", "heading", "accuracy"] as const;

/** Bytes of most entities. */
const USUAL_BYTES = 160;

/** Serialises a shard as it is now. @param out is written anew; what is returned is a view of it. Absent = memory of its own. */
export function encodeCheckpoint(table: EntityTable, shard: Shard, out = new ByteWriter(0)): Uint8Array {
  const { columns } = table.picture;
  const slots = Uint32Array.from(shard.slots());
  out.clear();
  out.reserve(16 + slots.length * USUAL_BYTES);
  out.u8(VERSION);
  out.varint(shard.nextNumber);
  out.varint(slots.length);
  shard.identities ??= encodeIdentities(table, slots);
  out.raw(shard.identities);
  const { seq, liveness, flags } = columns;
  out.reserve(slots.length * 7);
  for (const slot of slots) {
    out.varint(seq.of(slot));
    out.u8(liveness.of(slot));
    out.u8(flags.of(slot));
  }
  writeNames(columns.kinds.names(), slots, columns.kind, out);
  writeNames(columns.states.names(), slots, columns.state, out);
  writeNames(columns.sources.names(), slots, columns.source, out);
  for (const name of NUMERIC) writeF64(slots, columns[name], out);
  for (const name of MOTION) writeF32(slots, columns[name], out);
  for (const slot of slots) writeRare(table, slot, out);
  shard.commands.write(out);
  writeDeparted(table.departedOf(shard), out);
  writeLeaving(shard, out);
  writeNames(table.machines.names(), slots, table.machine, out);
  for (const slot of slots) writeOccupied(table.occupied.get(slot) ?? [], out);
  writeF64(slots, columns.placedAt, out);
  shard.formerWays.write(out);
  for (const slot of slots) table.duplicates.write(slot, (source) => columns.sources.name(source), out);
  return out.bytes.subarray(0, out.length);
}

function encodeIdentities(table: EntityTable, slots: Uint32Array): Uint8Array {
  const out = new ByteWriter(slots.length * 16);
  for (const slot of slots) {
    out.reserve(5);
    out.varint(table.number.of(slot));
    out.string(table.picture.columns.id[slot]!);
  }
  return out.copy();
}

function writeF64(slots: Uint32Array, column: Float64Column, out: ByteWriter): void {
  const view = out.room(slots.length * 8);
  let at = out.length;
  for (let i = 0; i < slots.length; i++, at += 8) view.setFloat64(at, column.of(slots[i]), true);
  out.length = at;
}

function writeF32(slots: Uint32Array, column: Float32Column, out: ByteWriter): void {
  const view = out.room(slots.length * 4);
  let at = out.length;
  for (let i = 0; i < slots.length; i++, at += 4) view.setFloat32(at, column.of(slots[i]), true);
  out.length = at;
}

/** The names that occur, each once, and which one each slot has. */
function writeNames(
  names: readonly string[],
  slots: Uint32Array,
  column: Uint16Column | Uint32Column,
  out: ByteWriter,
): void {
  const local = new Map<number, number>();
  const mapped = new Uint32Array(slots.length);
  // Neighbours mostly have the same one.
  let last = -1;
  let lastMapped = -1;
  for (let i = 0; i < slots.length; i++) {
    const number = column.of(slots[i]);
    if (number !== last) {
      last = number;
      lastMapped = local.get(number) ?? local.size;
      local.set(number, lastMapped);
    }
    mapped[i] = lastMapped;
  }
  out.reserve(5);
  out.varint(local.size);
  for (const number of local.keys()) out.string(names[number]!);
  out.reserve(slots.length * 5);
  for (let i = 0; i < mapped.length; i++) out.varint(mapped[i]);
}

function writeRare(table: EntityTable, slot: number, out: ByteWriter): void {
  const { columns } = table.picture;
  out.string(columns.attributes.get(slot) ?? "");
  const labels = columns.labels.get(slot);
  out.string(labels === undefined ? "" : JSON.stringify(labels));
  const { context, timers } = table.memory.get(slot);
  out.string(context === NOTHING_REMEMBERED.context ? "" : JSON.stringify(context));
  out.reserve(5);
  out.varint(timers.length);
  for (const timer of timers) {
    out.string(timer.key);
    out.reserve(8);
    out.f64(timer.due);
  }
}

function writeDeparted(departed: ReadonlyMap<number, string>, out: ByteWriter): void {
  out.reserve(5);
  out.varint(departed.size);
  for (const [number, id] of departed) {
    out.reserve(5);
    out.varint(number);
    out.string(id);
  }
}

function writeLeaving({ leaving }: Shard, out: ByteWriter): void {
  const going = leaving.going();
  out.reserve(5);
  out.varint(going.length);
  for (const [number, id, erase] of going) {
    out.reserve(6);
    out.varint(number);
    out.u8(erase ? 1 : 0);
    out.string(id);
  }
}

/** One entity of a checkpoint. Absent numbers are NaN; never reported = t −∞. */
export interface CheckpointEntity {
  number: number;
  seq: number;
  liveness: number;
  flags: number;
  id: string;
  kind: string;
  state: string;
  /** As a reference. */
  machine: string;
  source: string;
  lon: number;
  lat: number;
  t: number;
  /** −∞ = there is no place. */
  placedAt: number;
  received: number;
  alt: number;
  speed: number;
  course: number;
  heading: number;
  accuracy: number;
  /** JSON text, or empty. */
  attributes: string;
  labels: readonly string[];
  context: JsonObject;
  timers: readonly ArmedTimer[];
  occupied: readonly Occupied[];
}

const NOTHING_KNOWN: CheckpointEntity = {
  number: 0,
  seq: 0,
  liveness: 0,
  flags: 0,
  id: "",
  kind: "",
  state: "",
  machine: "",
  source: "",
  lon: NaN,
  lat: NaN,
  t: NaN,
  placedAt: NaN,
  received: NaN,
  alt: NaN,
  speed: NaN,
  course: NaN,
  heading: NaN,
  accuracy: NaN,
  attributes: "",
  labels: [],
  ...NOTHING_REMEMBERED,
  occupied: [],
};

export interface DecodedCheckpoint {
  nextNumber: number;
  /** By ascending number. */
  entities: CheckpointEntity[];
  /** What the shard remembers of commands. */
  commands: CommandMemory;
  /** Number → id of deleted entities of whose tracks something was in no row yet. */
  departed: (readonly [number: number, id: string])[];
  formerWays: FormerWays;
  /** Deleted entities of which something is still to be taken away; `erase`: all of it. */
  leaving: { number: number; erase: boolean; id: string }[];
  /** Stands where the entities' duplicate memories begin, in the same order. */
  duplicates: ByteReader;
  /** As `DuplicateMemory.read` wants to know it. */
  isShort: boolean;
}

/** Reads a blob. @throws AssertionError if it is not one that this program wrote. */
export function decodeCheckpoint(body: Uint8Array): DecodedCheckpoint {
  const input = new ByteReader(body);
  const version = input.u8();
  assert.ok(
    version >= WITHOUT_COMMANDS && version <= VERSION,
    `checkpoint of version ${version}, this program reads ${WITHOUT_COMMANDS} to ${VERSION}`,
  );
  const nextNumber = input.varint();
  const isShort = version > LAST_LONG;
  const entities = Array.from({ length: input.varint() }, () => readIdentity(input, isShort));
  if (isShort) for (const entity of entities) readStanding(input, entity);
  for (const name of ["kind", "state", "source"] as const) readNames(input, entities, name);
  for (const name of NUMERIC) for (const entity of entities) entity[name] = input.f64();
  for (const name of MOTION) for (const entity of entities) entity[name] = input.f32();
  for (const entity of entities) readRare(input, entity);
  const commands = new CommandMemory();
  if (version !== WITHOUT_COMMANDS) commands.read(input);
  const departed = Array.from(
    { length: version > WITHOUT_DEPARTED ? input.varint() : 0 },
    () => [input.varint(), input.string()] as const,
  );
  const leaving = Array.from({ length: version > WITHOUT_LEAVING ? input.varint() : 0 }, () => ({
    number: input.varint(),
    erase: input.u8() === 1,
    id: input.string(),
  }));
  if (version > WITHOUT_MACHINES) readNames(input, entities, "machine");
  if (version > WITHOUT_FENCES) for (const entity of entities) entity.occupied = readOccupied(input);
  for (const entity of entities) entity.placedAt = version > WITHOUT_FENCES ? input.f64() : entity.t;
  const formerWays = new FormerWays();
  if (version > WITHOUT_FORMER_WAYS) formerWays.read(input);
  return { nextNumber, entities, commands, departed, formerWays, leaving, duplicates: input, isShort };
}

/** @param isShort the number and the id stand together; before, how the entity stands was between them. */
function readIdentity(input: ByteReader, isShort: boolean): CheckpointEntity {
  const entity = { ...NOTHING_KNOWN, number: input.varint() };
  if (!isShort) readStanding(input, entity);
  entity.id = input.string();
  return entity;
}

function readStanding(input: ByteReader, entity: CheckpointEntity): void {
  entity.seq = input.varint();
  entity.liveness = input.u8();
  entity.flags = input.u8();
}

function readNames(
  input: ByteReader,
  entities: CheckpointEntity[],
  name: "kind" | "state" | "source" | "machine",
): void {
  const names = Array.from({ length: input.varint() }, () => input.string());
  for (const entity of entities) entity[name] = names[input.varint()]!;
}

function readRare(input: ByteReader, entity: CheckpointEntity): void {
  entity.attributes = input.string();
  const labels = input.string();
  if (labels !== "") entity.labels = JSON.parse(labels) as string[];
  const context = input.string();
  if (context !== "") entity.context = JSON.parse(context) as JsonObject;
  entity.timers = Array.from({ length: input.varint() }, () => ({ key: input.string(), due: input.f64() }));
}
