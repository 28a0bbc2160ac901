/** What the README promises against what is there. */
import { posix } from "node:path";
import type { Source } from "./source.ts";

/** The cells of the Markdown table below a heading, row by row, without backticks; none if there is no such heading. */
export function tableRows(markdown: string, heading: string): string[][] {
  const lines = markdown.split("\n");
  const from = lines.findIndex((line) => line.replace(/^#+ /, "") === heading && line.startsWith("#"));
  if (from < 0) return [];
  const rest = lines.slice(from + 1);
  const to = rest.findIndex((line) => /^#+ /.test(line));
  return rest
    .slice(0, to < 0 ? undefined : to)
    .filter((line) => line.startsWith("|"))
    .slice(2)
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.replaceAll("`", "").trim()),
    );
}

/** The variables of the environment that a source reads by name. */
export function environmentNames(code: string): string[] {
  return [...code.matchAll(/\bprocess\.env(?:\.|\[")([A-Z][A-Z0-9_]*)/g)].map(([, name]) => name);
}

/** The variables that a shell script reads and whose names are in capitals. */
export function shellNames(script: string): string[] {
  return [...script.matchAll(/\$\{?([A-Z][A-Z0-9_]*)/g)].map(([, name]) => name);
}

/** Complaints about names that only one of both lists has. */
export function checkSame(what: string, inCode: readonly string[], documented: readonly string[]): string[] {
  return [
    ...inCode.filter((name) => !documented.includes(name)).map((name) => `${what} ${name} is not documented`),
    ...documented
      .filter((name) => !inCode.includes(name))
      .map((name) => `${what} ${name} is documented, but the code has none such`),
  ];
}

/** Complaints about versions that are not exact. */
export function checkVersions(dependencies: Readonly<Record<string, string>>): string[] {
  return Object.entries(dependencies)
    .filter(([, version]) => !/^(npm:(@[\w.-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `package.json: ${name} ${version} is not an exact version`);
}

interface Lock {
  packages: Record<
    string,
    {
      version?: string;
      resolved?: string;
      integrity?: string;
      optional?: boolean;
      optionalDependencies?: object;
    }
  >;
}

/** Complaints about a package-lock.json that names a host of its own, or with which `npm ci` fails elsewhere. */
export function checkLock(lock: Lock): string[] {
  const complaints: string[] = [];
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === "") continue;
    if (entry.resolved !== undefined && !entry.resolved.startsWith("https://registry.npmjs.org/")) {
      complaints.push(`package-lock.json: ${path} comes from a registry that others may not reach`);
    }
    if (entry.version === undefined) complaints.push(`package-lock.json: ${path} has no version`);
    if (entry.integrity === undefined && !entry.optional)
      complaints.push(`package-lock.json: ${path} has no integrity`);
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      const own = `${path}/node_modules/${name}`;
      if (!(own in lock.packages) && !(`node_modules/${name}` in lock.packages)) {
        complaints.push(
          `package-lock.json: ${name}, which ${path} has for some platform, is missing: npm ci fails`,
        );
      }
    }
  }
  return complaints;
}

/** Complaints about relative links in Markdown that lead nowhere. */
export function checkLinks(document: Source, files: readonly string[]): string[] {
  return [...document.text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
    .map(([, link]) => posix.join(posix.dirname(document.path), link).replace(/\/$/, ""))
    .filter((path) => !files.some((file) => file === path || file.startsWith(`${path}/`)))
    .map((path) => `${document.path}: a link to ${path}, which is not there`);
}
