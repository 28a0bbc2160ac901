/** The project's own files, read and parsed once for all checks. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "vite";

/** A node of the syntax tree (ESTree with TypeScript), as far as the checks look into it. */
export interface SyntaxNode {
  type: string;
  start: number;
  [key: string]: unknown;
}

export interface Source {
  /** From the project's root, with `/`. */
  path: string;
  text: string;
}

export interface ParsedSource extends Source {
  program: SyntaxNode;
  comments: { value: string; start: number }[];
}

const NOT_OURS = new Set(["node_modules", ".git", ".tap", ".muster", "dist", "artifacts"]);

/** Every file below `folder` (relative to `root`) that is the project's own. */
export function listFiles(root: string, folder = ""): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => !NOT_OURS.has(entry.name))
    .flatMap((entry) => {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) return listFiles(root, path);
      return entry.isFile() ? [path] : [];
    })
    .sort();
}

export function readSource(root: string, path: string): Source {
  return { path, text: readFileSync(join(root, path), "utf8") };
}

/** @throws if the text is not TypeScript. */
export function parse(source: Source): ParsedSource {
  const { program, comments, errors } = parseSync(source.path, source.text);
  if (errors.length > 0) throw new SyntaxError(`${source.path}: ${errors[0].message}`);
  return { ...source, program: program as unknown as SyntaxNode, comments };
}

export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/** Calls `visit` for each node, parents first; a `false` from it leaves the node's children out. */
export function walk(node: SyntaxNode, visit: (node: SyntaxNode) => boolean | undefined): void {
  if (visit(node) === false) return;
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child !== null && typeof child === "object" && typeof child.type === "string") walk(child, visit);
    }
  }
}
