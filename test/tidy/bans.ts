/** What may not be written, where, and what to write instead. */
import { lineOf, type ParsedSource, type Source, type SyntaxNode, walk } from "./source.ts";

/** Time and chance: the values that `Clock` and arguments bring everywhere else. */
const TIME_AND_CHANCE: Readonly<Record<string, string>> = {
  "Date.now": "take a Clock and call now()",
  "performance.now": "take a Clock and call monotonic()",
  "Math.random": "take a random function as an argument",
  setTimeout: "take a Clock and call schedule()",
  setInterval: "take a Clock and call schedule()",
  setImmediate: "take a Clock and call yield()",
  randomUUID: "take the id as an argument",
};

function name(node: unknown): string | undefined {
  const { type, name } = node as { type?: string; name?: string };
  return type === "Identifier" ? name : undefined;
}

/** Calls `found` for each reference to a global, as `setTimeout` or `Date.now`. */
function globals(source: ParsedSource, found: (global: string, node: SyntaxNode) => void): void {
  walk(source.program, (node) => {
    switch (node.type) {
      case "MemberExpression": {
        if (node.computed) return undefined;
        const object = node.object as SyntaxNode;
        const owner = name(object);
        const member = name(node.property) ?? "";
        if (owner !== undefined) found(`${owner}.${member}`, node);
        if (owner === "globalThis" || owner === "window" || owner === "crypto") found(member, node);
        walkInto(object);
        return false;
      }
      case "NewExpression":
        if (name(node.callee) === "Date" && (node.arguments as unknown[]).length === 0)
          found("Date.now", node);
        return undefined;
      case "ImportSpecifier":
        found(name(node.imported) ?? "", node);
        return false;
      case "Property":
      case "MethodDefinition":
      case "PropertyDefinition":
      case "TSPropertySignature":
      case "TSMethodSignature":
        if (node.computed || node.shorthand) return undefined;
        if (node.value) walkInto(node.value as SyntaxNode);
        return false;
      case "Identifier":
        found(node.name as string, node);
        return undefined;
      default:
        return undefined;
    }
  });
  function walkInto(node: SyntaxNode): void {
    globals({ ...source, program: node }, found);
  }
}

/** Complaints about reading the time or rolling dice. Give it only files that may not. */
export function checkTimeAndChance(source: ParsedSource): string[] {
  const complaints = new Set<string>();
  globals(source, (global, node) => {
    if (!Object.hasOwn(TIME_AND_CHANCE, global)) return;
    const line = lineOf(source.text, node.start);
    complaints.add(`${source.path}:${line}: ${global} is not for here: ${TIME_AND_CHANCE[global]}`);
  });
  return [...complaints];
}

/** Complaints about `console`. */
export function checkConsole(source: ParsedSource): string[] {
  const complaints: string[] = [];
  globals(source, (global, node) => {
    if (!global.startsWith("console.")) return;
    complaints.push(
      `${source.path}:${lineOf(source.text, node.start)}: ${global}: log through pino, or throw`,
    );
  });
  return complaints;
}

/** Complaints about `process.env`: only the configuration reads it. */
export function checkEnvironmentAccess(source: ParsedSource): string[] {
  const complaints: string[] = [];
  globals(source, (global, node) => {
    if (global !== "process.env") return;
    complaints.push(
      `${source.path}:${lineOf(source.text, node.start)}: process.env: take it from the Config`,
    );
  });
  return complaints;
}

const SYNTAX: Readonly<Record<string, string>> = {
  TSEnumDeclaration: "enum: write `const X = {…} as const`",
  TSParameterProperty: "parameter property: declare the field and assign it",
  TSExportAssignment: "export =: write a named export",
  ExportDefaultDeclaration: "export default: name it",
  ExportAllDeclaration: "export *: no barrels, import from the file that has it",
};

/** Complaints about syntax that Node does not run, or that hides where a name comes from. */
export function checkSyntax(source: ParsedSource): string[] {
  const complaints: string[] = [];
  walk(source.program, (node) => {
    const namespace = node.type === "TSModuleDeclaration" && !node.declare && node.kind !== "global";
    const complaint = namespace ? "namespace: a file is a module already" : SYNTAX[node.type];
    if (complaint !== undefined) {
      complaints.push(`${source.path}:${lineOf(source.text, node.start)}: ${complaint}`);
    }
    return undefined;
  });
  return complaints;
}

/** Complaints about comments that are notes to oneself. */
export function checkComments(source: ParsedSource): string[] {
  return source.comments
    .filter(({ value }) => /\b(TODO|FIXME|XXX|HACK)\b/.test(value))
    .map(
      ({ start }) =>
        `${source.path}:${lineOf(source.text, start)}: do it, or file an issue and say why not now`,
    );
}

/** Complaints about paths that exist on one machine only. Any text file. */
export function checkMachinePaths(source: Source): string[] {
  const complaints: string[] = [];
  for (const match of source.text.matchAll(/(?<![\w.~:/-])\/(?:work|tmp|home|root|Users)\/[\w.-]/g)) {
    const line = lineOf(source.text, match.index);
    complaints.push(`${source.path}:${line}: ${match[0]}… is a path of one machine`);
  }
  return complaints;
}

const BAD_NAMES = /(^|\/)(index|utils?|helpers?|common|misc|shared)\.ts$/;

/** Complaints about a file's name or length. */
export function checkShape(source: Source, maxLines: number): string[] {
  const complaints: string[] = [];
  const lines = source.text.split("\n").length - 1;
  if (lines > maxLines)
    complaints.push(`${source.path}: ${lines} lines, more than ${maxLines}: split it by purpose`);
  if (BAD_NAMES.test(source.path)) complaints.push(`${source.path}: a name that says what is in it, please`);
  if (!/^[a-z0-9./_-]+$/.test(source.path)) complaints.push(`${source.path}: file names are kebab-case`);
  return complaints;
}
