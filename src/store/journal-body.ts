/**
 * A journal row's body: where each section begins, then the sections, so that one shard's is found without the others.
 * Layout, little-endian: u16 count, (count + 1) × u32 offsets from the end of the table, bytes.
 */
import assert from "node:assert/strict";
import type { Section } from "../actors/ports.ts";

export function encodeBody(sections: readonly Section[]): Buffer {
  const table = 2 + 4 * (sections.length + 1);
  const total = sections.reduce((sum, section) => sum + section.body.length, table);
  const body = Buffer.allocUnsafe(total);
  body.writeUInt16LE(sections.length, 0);
  let offset = 0;
  for (let i = 0; i < sections.length; ) {
    const run = endOfRun(sections, i);
    const { buffer, byteOffset } = sections[i].body;
    const start = offset;
    for (; i < run; i++) {
      body.writeUInt32LE(offset, 2 + 4 * i);
      offset += sections[i].body.length;
    }
    body.set(new Uint8Array(buffer, byteOffset, offset - start), table + start);
  }
  body.writeUInt32LE(offset, 2 + 4 * sections.length);
  return body;
}

/** Up to which the sections from the `first` on lie in memory one after the other: mostly all do, and are copied as one. */
function endOfRun(sections: readonly Section[], first: number): number {
  let { buffer, byteOffset, byteLength } = sections[first].body;
  let end = first + 1;
  for (; end < sections.length; end++) {
    const { body } = sections[end];
    if (body.buffer !== buffer || body.byteOffset !== byteOffset + byteLength) break;
    ({ buffer, byteOffset, byteLength } = body);
  }
  return end;
}

/** The i-th section's bytes; a view, not a copy. */
export function sectionOf(body: Buffer, i: number): Buffer {
  const count = body.readUInt16LE(0);
  assert.ok(i < count, `section ${i} of ${count}`);
  const table = 2 + 4 * (count + 1);
  return body.subarray(table + body.readUInt32LE(2 + 4 * i), table + body.readUInt32LE(6 + 4 * i));
}
