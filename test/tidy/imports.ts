/** Which file uses which: the arrows between folders, files that nobody reaches, packages. */
import { posix } from "node:path";
import { type ParsedSource, type SyntaxNode, walk } from "./source.ts";

export interface Import {
  from: string;
  /** A path from the project's root, `node:…`, or a package's name. */
  to: string;
  /** Gone when the types are stripped. */
  typeOnly: boolean;
}

function resolve(from: string, specifier: string): string {
  if (specifier.startsWith(".")) return posix.normalize(posix.join(posix.dirname(from), specifier));
  if (specifier.startsWith("node:")) return specifier;
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0];
}

export function importsOf(source: ParsedSource): Import[] {
  const found: Import[] = [];
  const add = (node: unknown, typeOnly: boolean) => {
    const specifier = (node as { value?: unknown } | null)?.value;
    if (typeof specifier === "string") {
      found.push({ from: source.path, to: resolve(source.path, specifier), typeOnly });
    }
  };
  walk(source.program, (node) => {
    if (node.type === "ImportDeclaration") {
      const names = node.specifiers as SyntaxNode[];
      const allTypes = names.length > 0 && names.every((name) => name.importKind === "type");
      add(node.source, node.importKind === "type" || allTypes);
    } else if (node.type === "ExportNamedDeclaration" || node.type === "ExportAllDeclaration") {
      add(node.source, node.exportKind === "type");
    } else if (node.type === "ImportExpression") {
      add(node.source, false);
    } else if (node.type === "TSImportType") {
      add(node.source ?? (node.argument as SyntaxNode | undefined)?.literal, true);
    }
    return undefined;
  });
  return found;
}

/** What the files below a folder may import; the longest prefix decides. `types:` allows types only, `*` everything. */
export type Arrows = Readonly<Record<string, readonly string[]>>;

const within = (path: string, prefix: string) => path === prefix || path.startsWith(`${prefix}/`);

function longestPrefix(prefixes: readonly string[], path: string): string | undefined {
  return prefixes.filter((prefix) => within(path, prefix)).sort((a, b) => b.length - a.length)[0];
}

/** Complaints about imports of the project's own files that point the wrong way. */
export function checkArrows(sources: readonly ParsedSource[], arrows: Arrows): string[] {
  const complaints: string[] = [];
  for (const source of sources) {
    const folder = longestPrefix(Object.keys(arrows), source.path);
    if (folder === undefined) {
      complaints.push(`${source.path}: the table of arrows does not know its folder`);
      continue;
    }
    const allowed = arrows[folder];
    if (allowed.includes("*")) continue;
    for (const { to, typeOnly } of importsOf(source)) {
      if (!to.includes("/") && !to.startsWith("node:") && !to.endsWith(".ts")) continue;
      if (to.startsWith("@")) continue;
      if (to.startsWith("node:")) {
        if (!allowed.includes("node:*") && !allowed.includes(to)) {
          complaints.push(`${source.path}: ${folder} may not import ${to}`);
        }
        continue;
      }
      const ok = allowed.some(
        (target) =>
          within(to, target) || (typeOnly && target.startsWith("types:") && within(to, target.slice(6))),
      );
      if (!ok) {
        complaints.push(`${source.path}: ${folder} may not import ${typeOnly ? "types of " : ""}${to}`);
      }
    }
  }
  return complaints;
}

/**
 * Files that no entry reaches, by imports or by a string that names them (worker threads, child processes).
 * @param entries of those that are reached from outside: by npm scripts, web pages, people.
 */
export function checkDeadFiles(sources: readonly ParsedSource[], entries: readonly string[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const open = entries.filter((entry) => byPath.has(entry));
  const complaints = entries
    .filter((entry) => !byPath.has(entry))
    .map((entry) => `${entry}: an entry that does not exist`);
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    const source = byPath.get(path)!;
    open.push(...importsOf(source).map(({ to }) => to));
    walk(source.program, (node) => {
      if (node.type === "Literal" && typeof node.value === "string" && node.value.endsWith(".ts")) {
        open.push(posix.normalize(node.value), resolve(source.path, `./${node.value}`));
      }
      return undefined;
    });
    for (let i = open.length - 1; i >= 0; i--) if (!byPath.has(open[i])) open.splice(i, 1);
  }
  for (const { path } of sources) if (!reached.has(path)) complaints.push(`${path}: nothing uses it`);
  return complaints;
}

/** Complaints about packages: undeclared, declared in the wrong place, or used by nobody. */
export function checkPackages(
  sources: readonly ParsedSource[],
  declared: { dependencies: readonly string[]; devDependencies: readonly string[] },
  /** Used, but not by an import. */
  otherwiseUsed: readonly string[],
): string[] {
  const complaints: string[] = [];
  const used = new Set(otherwiseUsed);
  for (const source of sources) {
    // The image holds no dev dependencies, and the SDK has none at all.
    const serves = within(source.path, "src") || within(source.path, "migrations");
    for (const { to, typeOnly } of importsOf(source)) {
      if (to.startsWith("node:") || to.endsWith(".ts") || (to.includes("/") && !to.startsWith("@"))) continue;
      if (to.startsWith("virtual:")) continue;
      used.add(to);
      if (within(source.path, "client") && !typeOnly) {
        complaints.push(`${source.path}: the SDK has no dependencies, but imports ${to}`);
      } else if (![...declared.dependencies, ...declared.devDependencies].includes(to)) {
        complaints.push(`${source.path}: ${to} is not in package.json`);
      } else if (serves && !typeOnly && !declared.dependencies.includes(to)) {
        complaints.push(`${source.path}: ${to} is a dev dependency, the image does not hold it`);
      }
    }
  }
  for (const name of [...declared.dependencies, ...declared.devDependencies]) {
    if (!used.has(name)) complaints.push(`package.json: nobody uses ${name}`);
  }
  return complaints;
}
