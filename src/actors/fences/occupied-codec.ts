/**
 * What an entity occupies, as bytes, in facts and in checkpoints: a varint count, then of each phase u8, fence, version varint; of a stay the episode's id and f64 enteredAt; of what is
 * pending f64 since, varint wanted, f64 due.
 */
import assert from "node:assert/strict";
import type { ByteReader, ByteWriter } from "../bytes.ts";
import type { Occupied } from "./occupied.ts";

const PENDING_IN = 1;
const IN = 2;
const PENDING_OUT = 3;

export function writeOccupied(all: readonly Occupied[], out: ByteWriter): void {
  out.reserve(5);
  out.varint(all.length);
  for (const one of all) {
    out.reserve(1);
    out.u8(one.phase === "in" ? IN : one.phase === "pending_in" ? PENDING_IN : PENDING_OUT);
    out.string(one.fence);
    out.reserve(5);
    out.varint(one.version);
    if (one.phase !== "pending_in") {
      out.string(one.episode.id);
      out.reserve(8);
      out.f64(one.episode.enteredAt);
    }
    if (one.phase !== "in") {
      out.reserve(21);
      out.f64(one.pending.since);
      out.varint(one.pending.wanted);
      out.f64(one.pending.due);
    }
  }
}

export function readOccupied(input: ByteReader): Occupied[] {
  return Array.from({ length: input.varint() }, () => readOne(input));
}

function readOne(input: ByteReader): Occupied {
  const phase = input.u8();
  const base = { fence: input.string(), version: input.varint() };
  switch (phase) {
    case PENDING_IN:
      return { ...base, phase: "pending_in", pending: readPending(input) };
    case IN:
      return { ...base, phase: "in", episode: readEpisode(input) };
    case PENDING_OUT:
      return { ...base, phase: "pending_out", episode: readEpisode(input), pending: readPending(input) };
    default:
      assert.fail(`unknown phase ${phase} at byte ${input.at}`);
  }
}

function readEpisode(input: ByteReader) {
  return { id: input.string(), enteredAt: input.f64() };
}

function readPending(input: ByteReader) {
  return { since: input.f64(), wanted: input.varint(), due: input.f64() };
}
