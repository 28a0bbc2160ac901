/**
 * `where` of a grant with the principal written into it: what comes out speaks of the entity, event or report alone. So it is a filter like any other, can
 * be sent to other nodes, and two principals of whom the same comes out share a lens.
 */
import type { ASTNode } from "@marcbachmann/cel-js";
import { ExpressionError, isNode, parseFilter, partsOf } from "../picture/cel.ts";
import type { Principal, PrincipalAttribute } from "./ports.ts";
import type { GrantTopic } from "./topics.ts";

const PRINCIPAL = "principal";
const MEMBERS = ["id", "name", "roles", "attributes"] as const;

/** Looks whether it may be the `where` of a grant. @throws ExpressionError */
export function checkWhere(where: string, { topic, withPrincipal }: GrantTopic): void {
  parseFilter(withPrincipal, where, topic);
  refuseBare(withPrincipal.parse(where).ast);
}

/** @throws ExpressionError if what comes out has no meaning: `entity.kind == principal.attributes.n` of a number */
export function bindPrincipal(where: string, principal: Principal, grantTopic: GrantTopic): string {
  const { topic, environment, withPrincipal } = grantTopic;
  const edits: { start: number; end: number; text: string }[] = [];
  const look = (node: ASTNode): void => {
    const text = literalFor(node, principal);
    if (text !== undefined) edits.push({ ...node.range, text });
    else for (const part of partsOf(node)) look(part);
  };
  look(withPrincipal.parse(where).ast);
  let bound = where;
  for (const { start, end, text } of edits.sort((a, b) => b.start - a.start))
    bound = `${bound.slice(0, start)}${text}${bound.slice(end)}`;
  parseFilter(environment, bound, topic, true);
  return bound;
}

/** What a part of an expression is for a principal; `undefined` = it is not about it, or as a whole is not. */
function literalFor(node: ASTNode, principal: Principal): string | undefined {
  if (node.op === "call" && node.args[0] === "has") {
    const asked = ownedBy(node.args[1][0]!);
    if (asked === undefined) return undefined;
    return String(asked.of === PRINCIPAL || Object.hasOwn(principal.attributes, asked.name));
  }
  const owned = ownedBy(node);
  if (owned?.of === PRINCIPAL) {
    const own = MEMBERS.find((one) => one === owned.name);
    return own && literal(principal[own]);
  }
  // One that is not there stays a member of all that are: so it fails when it is run, as CEL has it.
  if (owned === undefined || !Object.hasOwn(principal.attributes, owned.name)) return undefined;
  return literal(principal.attributes[owned.name]!);
}

/** The member that a node is, of the principal or of its attributes. */
function ownedBy(node: ASTNode): { of: "principal" | "attributes"; name: string } | undefined {
  const member = memberOf(node);
  if (member === undefined) return undefined;
  const { owner, name } = member;
  if (isPrincipal(owner)) return { of: PRINCIPAL, name };
  const above = memberOf(owner);
  const isAttribute = above !== undefined && isPrincipal(above.owner) && above.name === "attributes";
  return isAttribute ? { of: "attributes", name } : undefined;
}

function memberOf(node: ASTNode): { owner: ASTNode; name: string } | undefined {
  if (node.op !== ".") return undefined;
  const [owner, name] = node.args;
  return typeof name === "string" ? { owner, name } : undefined;
}

function isPrincipal(node: ASTNode): boolean {
  return node.op === "id" && node.args === PRINCIPAL;
}

/** `principal` is known by its members only; so no loop can have a variable of this name either. */
function refuseBare(node: ASTNode): void {
  if (isPrincipal(node))
    throw new ExpressionError("principal has id, name, roles, attributes", node.range.start);
  const member = memberOf(node);
  if (member !== undefined && isPrincipal(member.owner)) return;
  for (const part of partsOf(node)) if (isNode(part)) refuseBare(part);
}

/** As CEL writes it. Numbers are doubles, as those of JSON are. */
function literal(value: PrincipalAttribute | Readonly<Record<string, PrincipalAttribute>>): string {
  if (typeof value === "string" || typeof value === "boolean") return JSON.stringify(value);
  if (typeof value === "number") {
    const text = /[.e]/.test(String(value)) ? String(value) : `${value}.0`;
    return value < 0 ? `(${text})` : text;
  }
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  const members = Object.entries(value).map(([name, own]) => `${literal(name)}: ${literal(own)}`);
  return `{${members.join(", ")}}`;
}
