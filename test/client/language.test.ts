// What who uses the SDK needs, and no more.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { NODE } from "../support/node-program.ts";

const ROOT = join(import.meta.dirname, "../..");

t.test("[K43] the SDK needs no types but those of ES2022 and the DOM", async (t) => {
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  const language = ["--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--types", ""];
  const modules = ["--module", "nodenext", "--allowImportingTsExtensions", "--noEmit", "--strict"];
  const args = [compiler, "--ignoreConfig", ...language, ...modules, join(ROOT, "client/connection.ts")];
  // Its exit status tells; what it says is in the error.
  const [program, ...flags] = NODE;
  t.match(await promisify(execFile)(program, [...flags, ...args]), { stdout: "" });
});
