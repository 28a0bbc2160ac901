/**
 * Makes a copy of uWebSockets.js's Linux binary that loads on glibc 2.36 and 2.37 (Debian 12).
 *
 * The binary wants glibc 2.38 for three functions only: `strtol`, `strtoul` and `sscanf` in the variants that C23 made, which also read
 * binary literals (`0b1`). In the copy these three symbols point to the variants of C99, which every glibc has. Their names are the ends of the new
 * ones, so a symbol's name moves on by nine bytes and no string has to be written. Nothing of the machine code changes, and the package itself is
 * left as it is. Rebuilding from source would need the toolchain and sources of V8, and a container image needs nothing: Debian 13 has glibc 2.41.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PREFIX = "__isoc23_";
const SYMBOLS = ["__isoc23_sscanf", "__isoc23_strtol", "__isoc23_strtoul"];
const TOO_NEW = "GLIBC_2.38";
/** The version that x86-64's C99 variants have. */
const EVERYWHERE = "GLIBC_2.2.5";

const EM_X86_64 = 62;
const SHT_DYNSYM = 11;
const SHT_VERNEED = 0x6ffffffe;
const SHT_VERSYM = 0x6fffffff;
/** The bit of a symbol's version that says that it is hidden. */
const HIDDEN = 0x8000;

/** SHA-256 of the binaries that this was tried with, by version of the package and ABI of Node.js. */
const KNOWN: Readonly<Record<string, string>> = {
  "20.57.0-137": "98128405dba2fb608448e921a979530f70c946a2cc9889c15f2fa70c2d00ab05",
  "20.57.0-141": "813d788b347c6fd76b779d8932311ec05a044e612b4b83af220f16e6ea789683",
};

/** Why there is no copy, as a sentence. */
export class RelinkRefused extends Error {
  override name = "RelinkRefused";
}

/** The files of the package for this platform and Node.js. */
export interface UwsFiles {
  version: string;
  abi: string;
  /** The package's own binary; it may be missing. */
  binary: string;
  /** Where the copy is, or would be: beside what `npm ci` removes, so that no copy outlives its package. */
  copy: string;
}

/** @throws if the package is not installed. */
export function uwsFiles(): UwsFiles {
  const folder = dirname(fileURLToPath(import.meta.resolve("uWebSockets.js")));
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string };
  const abi = process.versions.modules;
  const platform = `${process.platform}_${process.arch}_${abi}`;
  return {
    version,
    abi,
    binary: join(folder, `uws_${platform}.node`),
    copy: join(folder, "../.cache/muster", `uws_${version}_${platform}.node`),
  };
}

/** Writes the copy. @returns its path. @throws RelinkRefused if anything is not as expected. */
export function makeRelinkedCopy(files: UwsFiles = uwsFiles()): string {
  const { version, abi, binary, copy } = files;
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new RelinkRefused(
      `Only the binary for Linux on x86-64 can be relinked, not ${process.platform} on ${process.arch}.`,
    );
  let bytes: Buffer;
  try {
    bytes = readFileSync(binary);
  } catch (error) {
    throw new RelinkRefused(`The package has no binary for this Node.js: ${(error as Error).message}.`);
  }
  const hash = createHash("sha256").update(bytes).digest("hex");
  if (KNOWN[`${version}-${abi}`] !== hash)
    throw new RelinkRefused(
      `This is not a binary that relinking was tried with: uWebSockets.js ${version} for ABI ${abi}, SHA-256 ${hash}.`,
    );
  const relinked = relink(bytes);
  mkdirSync(dirname(copy), { recursive: true });
  // Others may do the same at the same time, or load it: they must find a whole one.
  const part = `${copy}.${process.pid}`;
  writeFileSync(part, relinked);
  renameSync(part, copy);
  return copy;
}

/** The binary with the three symbols re-pointed. @throws RelinkRefused if it is not built as expected. */
export function relink(original: Uint8Array): Buffer {
  const elf = Buffer.from(original);
  const sections = readSections(elf);
  const symbols = only(sections, SHT_DYNSYM, "dynamic symbols");
  const versions = only(sections, SHT_VERSYM, "symbol versions");
  const needs = only(sections, SHT_VERNEED, "needed versions");
  const strings = sections[symbols.link];
  if (strings === undefined) throw new RelinkRefused("The dynamic symbols have no names.");
  const text = (at: number): string => {
    const start = strings.offset + at;
    const end = elf.indexOf(0, start);
    if (at >= strings.size || end < 0) throw new RelinkRefused("A name lies outside of the table of names.");
    return elf.toString("latin1", start, end);
  };

  const { tooNew, everywhere, unlink } = readNeeds(elf, needs, text);
  const found: string[] = [];
  const writes: (() => void)[] = [];
  for (let i = 0; i * 24 < symbols.size; i++) {
    const version = versions.offset + i * 2;
    if ((elf.readUInt16LE(version) & ~HIDDEN) !== tooNew) continue;
    const symbol = symbols.offset + i * 24;
    const at = elf.readUInt32LE(symbol);
    const name = text(at);
    const old = name.slice(PREFIX.length);
    // The names of the table may share their ends, so this is only sure once it was read.
    if (!SYMBOLS.includes(name) || text(at + PREFIX.length) !== old)
      throw new RelinkRefused(`It wants ${name} of ${TOO_NEW}, for which there is no older one.`);
    found.push(name);
    writes.push(() => {
      elf.writeUInt32LE(at + PREFIX.length, symbol);
      elf.writeUInt16LE(everywhere, version);
    });
  }
  const missing = SYMBOLS.filter((name) => !found.includes(name));
  if (missing.length > 0) throw new RelinkRefused(`It does not want ${missing.join(", ")} of ${TOO_NEW}.`);
  for (const write of writes) write();
  unlink();
  return elf;
}

interface Section {
  type: number;
  offset: number;
  size: number;
  link: number;
  /** Entries, where the type counts them. */
  info: number;
}

function readSections(elf: Buffer): Section[] {
  if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46)
    throw new RelinkRefused("This is not an ELF file.");
  if (elf[4] !== 2 || elf[5] !== 1)
    throw new RelinkRefused("This is not a little-endian ELF file of 64 bits.");
  if (elf.readUInt16LE(18) !== EM_X86_64) throw new RelinkRefused("This is not a binary for x86-64.");
  const start = Number(elf.readBigUInt64LE(40));
  const count = elf.readUInt16LE(60);
  if (elf.readUInt16LE(58) !== 64 || start + count * 64 > elf.length)
    throw new RelinkRefused("The file ends before its table of sections.");
  return Array.from({ length: count }, (_, i) => {
    const at = start + i * 64;
    const section = {
      type: elf.readUInt32LE(at + 4),
      offset: Number(elf.readBigUInt64LE(at + 24)),
      size: Number(elf.readBigUInt64LE(at + 32)),
      link: elf.readUInt32LE(at + 40),
      info: elf.readUInt32LE(at + 44),
    };
    // Sections without bytes in the file (SHT_NULL, SHT_NOBITS) are none of ours.
    const inFile = section.type !== 0 && section.type !== 8;
    if (inFile && section.offset + section.size > elf.length)
      throw new RelinkRefused("The file ends before one of its sections.");
    return section;
  });
}

function only(sections: readonly Section[], type: number, what: string): Section {
  const found = sections.filter((section) => section.type === type);
  if (found.length !== 1) throw new RelinkRefused(`It has ${found.length} tables of ${what}, not one.`);
  return found[0];
}

interface Needs {
  /** Numbers by which symbols name the two versions. */
  tooNew: number;
  everywhere: number;
  /** Takes the new version out of the list, for the loader looks whether each one listed is there, used or not. */
  unlink(): void;
}

/** Finds the versions of `libc.so.6`: a list of libraries, each with a list of versions. Links are distances; 0 ends a list. */
function readNeeds(elf: Buffer, needs: Section, text: (at: number) => string): Needs {
  const end = needs.offset + needs.size;
  const inside = (at: number, size: number): number => {
    if (at + size > end) throw new RelinkRefused("The list of needed versions leads outside of its table.");
    return at;
  };
  for (let i = 0, library = needs.offset; i < needs.info; i++, library += elf.readUInt32LE(library + 12)) {
    inside(library, 16);
    if (text(elf.readUInt32LE(library + 4)) !== "libc.so.6") continue;
    const count = elf.readUInt16LE(library + 2);
    const entries: { at: number; name: string; number: number }[] = [];
    for (
      let j = 0, at = library + elf.readUInt32LE(library + 8);
      j < count;
      j++, at += elf.readUInt32LE(at + 12)
    ) {
      inside(at, 16);
      entries.push({ at, name: text(elf.readUInt32LE(at + 8)), number: elf.readUInt16LE(at + 6) });
    }
    const index = entries.findIndex(({ name }) => name === TOO_NEW);
    const everywhere = entries.find(({ name }) => name === EVERYWHERE);
    if (index < 0 || everywhere === undefined) break;
    if (index === 0)
      throw new RelinkRefused(`${TOO_NEW} is the first version listed, which nothing can be linked past.`);
    return {
      tooNew: entries[index].number,
      everywhere: everywhere.number,
      unlink() {
        const { at } = entries[index];
        const before = entries[index - 1].at;
        const next = elf.readUInt32LE(at + 12);
        elf.writeUInt32LE(next === 0 ? 0 : at + next - before, before + 12);
        elf.writeUInt16LE(count - 1, library + 2);
      },
    };
  }
  throw new RelinkRefused(`It does not need ${TOO_NEW} and ${EVERYWHERE} of libc.so.6.`);
}
