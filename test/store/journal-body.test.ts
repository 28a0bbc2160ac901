import t from "tap";
import { ints, smallints } from "../../src/store/binary-values.ts";
import { encodeBody, sectionOf } from "../../src/store/journal-body.ts";

t.test("[D1] each section of a row is found, wherever the memory of the sections is", async (t) => {
  const bytesAt = (buffer: ArrayBuffer, at: number, text: string) => {
    const bytes = new Uint8Array(buffer, at, text.length);
    bytes.set(Buffer.from(text));
    return bytes;
  };
  const one = new ArrayBuffer(64);
  const other = new ArrayBuffer(64);
  const bodies = [
    bytesAt(one, 3, "first"),
    bytesAt(one, 8, "second"),
    // It begins where the one before ends, in other memory.
    bytesAt(other, 14, "third"),
    bytesAt(one, 14, ""),
    bytesAt(one, 14, "fifth"),
    bytesAt(one, 40, "sixth"),
  ];
  const body = encodeBody(bodies.map((section, shard) => ({ shard, epoch: 1, body: section })));
  const found = bodies.map((_, i) => sectionOf(body, i).toString());
  t.same(found, ["first", "second", "third", "", "fifth", "sixth"]);
});

t.test("[D1] shards and epochs are written as PostgreSQL reads lists in its binary format", async (t) => {
  // Dimensions, no NULL, type, length, index of the first, and each element after its length.
  const head = (oid: number, length: number) => [1, 0, oid, length, 1];
  const read = (list: Buffer) => [0, 4, 8, 12, 16].map((at) => list.readInt32BE(at));
  const shards = smallints([0, 255]);
  t.same(read(shards), head(21, 2));
  t.same(
    [20, 26].map((at) => [shards.readInt32BE(at), shards.readInt16BE(at + 4)]),
    [
      [2, 0],
      [2, 255],
    ],
  );
  const epochs = ints([70_000, 2 ** 31 - 1, 1]);
  t.same(read(epochs), head(23, 3));
  t.same(
    [20, 28, 36].map((at) => [epochs.readInt32BE(at), epochs.readInt32BE(at + 4)]),
    [
      [4, 70_000],
      [4, 2 ** 31 - 1],
      [4, 1],
    ],
  );
  t.same([shards.length, epochs.length], [32, 44]);
});
