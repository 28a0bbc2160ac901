/** The numbered rules of the specification and the test titles that quote them. */
import { type ParsedSource, type Source, type SyntaxNode, walk } from "./source.ts";

export interface Rule {
  number: string;
  text: string;
  path: string;
}

/** Lines such as `**F3** An entity that …`, also as list items. */
export function rulesOf(document: Source): Rule[] {
  return [...document.text.matchAll(/^(?:[-*] )?\*\*([A-Z]+\d+)\*\*:? +(.*\S)/gm)].map(
    ([, number, text]) => ({
      number,
      text,
      path: document.path,
    }),
  );
}

const QUOTE = /^(?:\[[A-Z]+\d+(?:, ?[A-Z]+\d+)*\] ?)+/;

/** The rule numbers at the start of the strings of a test file: `[F3] …`, `[F3, F4] …` or `[F3] [F4] …`. */
export function quotesOf(source: ParsedSource): { number: string; path: string }[] {
  const quotes: { number: string; path: string }[] = [];
  walk(source.program, (node) => {
    let title: unknown;
    if (node.type === "Literal") title = node.value;
    else if (node.type === "TemplateLiteral") {
      title = ((node.quasis as SyntaxNode[])[0].value as { cooked: string }).cooked;
    }
    const quote = typeof title === "string" ? QUOTE.exec(title)?.[0] : undefined;
    for (const [number] of quote?.matchAll(/[A-Z]+\d+/g) ?? []) quotes.push({ number, path: source.path });
    return undefined;
  });
  return quotes;
}

/** Complaints about rules that no test quotes, quotes of no rule, and numbers given twice. */
export function checkRules(documents: readonly Source[], tests: readonly ParsedSource[]): string[] {
  const rules = documents.flatMap(rulesOf);
  const quotes = tests.flatMap(quotesOf);
  const complaints: string[] = [];
  const known = new Map<string, Rule>();
  for (const rule of rules) {
    const before = known.get(rule.number);
    if (before) complaints.push(`${rule.path}: ${rule.number} is in ${before.path} already`);
    known.set(rule.number, rule);
  }
  const quoted = new Set(quotes.map(({ number }) => number));
  for (const { number, path } of known.values()) {
    if (!quoted.has(number)) complaints.push(`${path}: no test title quotes ${number}`);
  }
  for (const { number, path } of quotes) {
    if (!known.has(number)) complaints.push(`${path}: quotes ${number}, which is no rule`);
  }
  return [...new Set(complaints)];
}
