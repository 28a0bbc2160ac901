/**
 * `where` of a grant with the principal written into it: what comes out speaks of the entity, event or report alone. So it is a filter like any other, can
 * be sent to other nodes, and two principals of whom the same comes out share a lens.
 */
import type { ASTNode } from "@marcbachmann/cel-js";
import { MAX_BOUND_LENGTH } from "../limits.ts";
import { ExpressionError, parseFilter, partsOf } from "../picture/cel.ts";
import { MAX_BOUND_FORMS } from "./limits.ts";
import type { Principal, PrincipalAttribute } from "./ports.ts";
import type { GrantTopic } from "./topics.ts";

const PRINCIPAL = "principal";
const MEMBERS = ["id", "name", "roles", "attributes"] as const;

/** Looks whether it may be the `where` of a grant. @throws ExpressionError */
export function checkWhere(where: string, { topic, withPrincipal }: GrantTopic): void {
  parseFilter(withPrincipal, where, topic);
  refuseBare(withPrincipal.parse(where).ast);
}

/** A part of a `where` for which a principal's own value stands. */
interface Place {
  range: Range;
  asked: Member;
  /** It is `has()` of it. */
  isHas: boolean;
  /** Of what it is a member of. */
  ownerRange: Range;
}
type Range = ASTNode["range"];
interface Member {
  of: typeof PRINCIPAL | "attributes";
  name: string;
}

/** A `where` with the principal's values in it; `missing` = attributes that it asks for, without `has()`, and the principal lacks. */
export interface Bound {
  where: string;
  missing: readonly string[];
}

/** The `where` of a grant, parsed once for all principals. */
export class BindableWhere {
  readonly #where: string;
  readonly #topic: GrantTopic;
  /** From the end. */
  readonly #places: readonly Place[];
  /** Attributes that it asks for with `has()`. */
  readonly #optional: ReadonlySet<string>;
  /** Why what comes out has no meaning, if so, by the form of the literals in it: fleets of principals have the same. */
  readonly #checked = new Map<string, ExpressionError | undefined>();

  /** @throws ExpressionError */
  constructor(where: string, topic: GrantTopic) {
    this.#where = where;
    this.#topic = topic;
    const places = placesOf(topic.withPrincipal.parse(where).ast);
    this.#places = places.sort((a, b) => b.range.start - a.range.start);
    this.#optional = new Set(places.flatMap(({ asked, isHas }) => (isHas ? [asked.name] : [])));
  }

  /** @throws ExpressionError if what comes out has no meaning: `entity.kind == principal.attributes.n` of a number */
  bind(principal: Principal): Bound {
    const missing = new Set<string>();
    let where = this.#where;
    let form: string | undefined = "";
    for (const place of this.#places) {
      const own = literalFor(place, principal);
      // One that is not there stays a member of all that are: so it fails when it is run, as CEL has it.
      const text = own ?? literal(principal.attributes);
      const { start, end } = own === undefined ? place.ownerRange : place.range;
      const { name } = place.asked;
      if (own === undefined && !this.#optional.has(name)) missing.add(name);
      where = `${where.slice(0, start)}${text}${where.slice(end)}`;
      const ownForm = formOf(text);
      form = form === undefined || ownForm === undefined ? undefined : `${form} ${ownForm}`;
    }
    const fault = form === undefined ? this.#fault(where) : this.#faultOf(form, where);
    if (fault !== undefined) throw fault;
    return { where, missing: [...missing] };
  }

  #faultOf(form: string, where: string): ExpressionError | undefined {
    // How long it is, is no matter of its form.
    if (where.length > MAX_BOUND_LENGTH) return this.#fault(where);
    if (!this.#checked.has(form)) {
      if (this.#checked.size >= MAX_BOUND_FORMS) this.#checked.clear();
      this.#checked.set(form, this.#fault(where));
    }
    return this.#checked.get(form);
  }

  #fault(where: string): ExpressionError | undefined {
    const { topic, environment } = this.#topic;
    try {
      parseFilter(environment, where, topic, true);
      return undefined;
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      return error;
    }
  }
}

/** A literal with what its value has no say in left out: what has a meaning with one has it with all of the same form. `undefined` = none can be told. */
function formOf(text: string): string | undefined {
  if (text === "true" || text === "false") return text;
  // An escape may be one that CEL does not know, and of maps each is its own.
  if (/[\\{]/.test(text)) return undefined;
  return text.replace(/"[^"]*"/g, '"').replace(/\d+\.\d+/g, "1");
}

function placesOf(node: ASTNode): Place[] {
  const { range } = node;
  if (node.op === "call" && node.args[0] === "has") {
    const asked = ownedBy(node.args[1][0]!);
    if (asked !== undefined) return [{ range, asked, isHas: true, ownerRange: range }];
  }
  const asked = ownedBy(node);
  const isKnown = asked?.of === "attributes" || MEMBERS.some((one) => one === asked?.name);
  if (asked === undefined || !isKnown) return partsOf(node).flatMap(placesOf);
  return [{ range, asked, isHas: false, ownerRange: memberOf(node)!.owner.range }];
}

/** `undefined` = the principal lacks the attribute. */
function literalFor({ asked: { of, name }, isHas }: Place, principal: Principal): string | undefined {
  if (isHas) return String(of === PRINCIPAL || Object.hasOwn(principal.attributes, name));
  if (of === PRINCIPAL) return literal(principal[name as (typeof MEMBERS)[number]]);
  return Object.hasOwn(principal.attributes, name) ? literal(principal.attributes[name]!) : undefined;
}

/** The member that a node is, of the principal or of its attributes. */
function ownedBy(node: ASTNode): Member | undefined {
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
  for (const part of partsOf(node)) refuseBare(part);
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
