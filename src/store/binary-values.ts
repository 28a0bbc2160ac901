/** Values in PostgreSQL's binary format, which costs both sides less than text. */

const HEAD_BYTES = 20;
const SMALLINT_OID = 21;

/** A view, which the driver takes for bytes and copies before `query` returns. */
export function bytesOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** @param elements one after the other, each with its length before it. @param count of them, one at least. */
export function listOfSmallints(elements: Uint8Array, count: number): Buffer {
  const list = Buffer.allocUnsafe(HEAD_BYTES + elements.length);
  list.writeInt32BE(1, 0); // dimensions
  list.writeInt32BE(0, 4); // without NULL
  list.writeInt32BE(SMALLINT_OID, 8);
  list.writeInt32BE(count, 12);
  list.writeInt32BE(1, 16); // index of the first
  list.set(elements, HEAD_BYTES);
  return list;
}
