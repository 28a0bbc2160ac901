/** Values in PostgreSQL's binary format, which costs both sides less than text. */

const HEAD_BYTES = 20;
const SMALLINT_OID = 21;
const INT_OID = 23;

/** A view, which the driver takes for bytes and copies before `query` returns. */
export function bytesOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** @param elements one after the other, each with its length before it. @param count of them, one at least. */
export function listOfSmallints(elements: Uint8Array, count: number): Buffer {
  const list = listHead(SMALLINT_OID, count, elements.length);
  list.set(elements, HEAD_BYTES);
  return list;
}

/** @param values −32,768 … 32,767 each, one at least. */
export function smallints(values: readonly number[]): Buffer {
  return listOf(SMALLINT_OID, 2, values);
}

/** @param values −2^31 … 2^31 − 1 each, one at least. */
export function ints(values: readonly number[]): Buffer {
  return listOf(INT_OID, 4, values);
}

/** @param bytes of an element. */
function listOf(oid: number, bytes: 2 | 4, values: readonly number[]): Buffer {
  const list = listHead(oid, values.length, values.length * (4 + bytes));
  let at = HEAD_BYTES;
  for (const value of values) {
    at = list.writeInt32BE(bytes, at);
    at = list.writeIntBE(value, at, bytes);
  }
  return list;
}

/** @param bytes of all elements, each with its length before it. */
function listHead(oid: number, count: number, bytes: number): Buffer {
  const list = Buffer.allocUnsafe(HEAD_BYTES + bytes);
  list.writeInt32BE(1, 0); // dimensions
  list.writeInt32BE(0, 4); // without NULL
  list.writeInt32BE(oid, 8);
  list.writeInt32BE(count, 12);
  list.writeInt32BE(1, 16); // index of the first
  return list;
}

/** The numbers of a list of `smallint` or `int`. */
export function numbersOf(list: Buffer): number[] {
  const [dimensions, count] = [list.readInt32BE(0), list.length > 12 ? list.readInt32BE(12) : 0];
  if (dimensions === 0) return [];
  const bytes = list.readInt32BE(8) === SMALLINT_OID ? 2 : 4;
  return Array.from({ length: count }, (_, i) => list.readIntBE(HEAD_BYTES + i * (4 + bytes) + 4, bytes));
}
