import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import t from "tap";
import { makeRelinkedCopy, relink, uwsFiles } from "../../src/transport/server/relink-uws.ts";
import { temporaryFolder } from "../support/serve.ts";

const files = uwsFiles();
/** The binary for Linux is in the package on every system. */
const original = readFileSync(files.binary.replace(/uws_\w+_(\d+)\.node$/, "uws_linux_x64_$1.node"));
const relinkable = process.platform === "linux" && process.arch === "x64";

/** The real binary with one change. */
function changed(change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(original);
  change(copy);
  return copy;
}
/** Overwrites a text, wherever it stands. */
const rename = (from: string, to: string) =>
  changed((copy) => {
    const at = copy.indexOf(`\0${from}\0`, 0, "latin1");
    if (at < 0) throw new Error(`there is no ${from}`);
    copy.write(to, at + 1, "latin1");
  });

t.test(
  "[S21] of the real binary three names and four places of the version table change, and it loads",
  async (t) => {
    const copy = relink(original);
    t.equal(copy.length, original.length);
    let differing = 0;
    for (let i = 0; i < copy.length; i++) if (copy[i] !== original[i]) differing += 1;
    t.ok(differing > 0 && differing <= 3 * (4 + 2) + 4 + 2, `${differing} bytes differ`);
    t.throws(() => relink(copy), /It does not need GLIBC_2\.38/, "there is nothing left to do");
    if (!relinkable) return t.comment("not loaded: it is for Linux on x86-64");
    const path = join(await temporaryFolder(t), "uws.node");
    t.equal(makeRelinkedCopy({ ...files, copy: path }), path);
    t.ok(readFileSync(path).equals(copy));
    t.type(createRequire(import.meta.url)(path).App, "function");
  },
);

t.test("[S21] what is not as expected is refused with a sentence", async (t) => {
  const table: [what: string, binary: Uint8Array, why: RegExp][] = [
    ["nothing", Buffer.alloc(0), /not an ELF file/],
    ["text", Buffer.from("#!/bin/sh\n".repeat(100)), /not an ELF file/],
    ["32 bits", changed((copy) => copy.writeUInt8(1, 4)), /of 64 bits/],
    ["big-endian", changed((copy) => copy.writeUInt8(2, 5)), /little-endian/],
    ["another processor", changed((copy) => copy.writeUInt16LE(183, 18)), /not a binary for x86-64/],
    ["half a file", original.subarray(0, original.length / 2), /ends before its table of sections/],
    [
      "a table of sections that is none",
      changed((copy) => copy.fill(0, Number(copy.readBigUInt64LE(40)))),
      /0 tables of/,
    ],
    ["no such version", rename("GLIBC_2.38", "GLIBC_2.37"), /does not need GLIBC_2\.38 and GLIBC_2\.2\.5/],
    ["no old version", rename("GLIBC_2.2.5", "GLIBC_2.2.6"), /does not need GLIBC_2\.38 and GLIBC_2\.2\.5/],
    [
      "one symbol more",
      rename("__isoc23_strtol", "__isoc24_strtol"),
      /It wants __isoc24_strtol of GLIBC_2\.38/,
    ],
    ["a list that leads astray", changed(lostList), /leads outside/],
    ["a symbol less", changed(lessOne), /does not want __isoc23_/],
  ];
  for (const [what, binary, why] of table)
    t.throws(() => relink(binary), { name: "RelinkRefused", message: why }, what);
});

t.test(
  "[S21] only binaries that it was tried with are copied",
  { skip: relinkable ? false : "not Linux on x86-64" },
  async (t) => {
    const folder = await temporaryFolder(t);
    const binary = join(folder, "other.node");
    const copy = join(folder, "copy.node");
    const other = changed((bytes) => bytes.writeUInt8(bytes[bytes.length - 1] ^ 1, bytes.length - 1));
    writeFileSync(binary, other);
    const hash = createHash("sha256").update(other).digest("hex");
    t.throws(() => makeRelinkedCopy({ ...files, binary, copy }), { name: "RelinkRefused", message: hash });
    t.throws(
      () => makeRelinkedCopy({ ...files, version: "20.58.0", copy }),
      /uWebSockets\.js 20\.58\.0 for ABI/,
    );
    t.throws(
      () => makeRelinkedCopy({ ...files, binary: join(folder, "none.node"), copy }),
      /no binary for this Node\.js/,
    );
    t.notOk(existsSync(copy), "nothing was written");
  },
);

/** The section of a type: where its header is, and where it is. */
function section(elf: Buffer, type: number): { offset: number; size: number } {
  const start = Number(elf.readBigUInt64LE(40));
  for (let at = start; ; at += 64)
    if (elf.readUInt32LE(at + 4) === type)
      return { offset: Number(elf.readBigUInt64LE(at + 24)), size: Number(elf.readBigUInt64LE(at + 32)) };
}

/** The first library's distance to the next leads out of the table. */
function lostList(elf: Buffer): void {
  elf.writeUInt32LE(0x7000_0000, section(elf, 0x6ffffffe).offset + 12);
}

/** One of the three wants any version. */
function lessOne(elf: Buffer): void {
  const symbols = section(elf, 11);
  const versions = section(elf, 0x6fffffff);
  const wanted = versions.offset;
  const numbers = Array.from({ length: symbols.size / 24 }, (_, i) => elf.readUInt16LE(wanted + 2 * i));
  const names = elf.indexOf("\0__isoc23_strtoul\0", 0, "latin1") + 1;
  // The table of names begins where the first symbol with a name says that it does.
  const strings = namesOffset(elf);
  for (let i = 0; i < numbers.length; i++)
    if (elf.readUInt32LE(symbols.offset + 24 * i) === names - strings) elf.writeUInt16LE(1, wanted + 2 * i);
}

function namesOffset(elf: Buffer): number {
  const start = Number(elf.readBigUInt64LE(40));
  for (let at = start; ; at += 64)
    if (elf.readUInt32LE(at + 4) === 11) {
      const link = start + 64 * elf.readUInt32LE(at + 40);
      return Number(elf.readBigUInt64LE(link + 24));
    }
}
