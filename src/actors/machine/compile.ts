/**
 * From a checked definition to tables: states as nodes with pointers, and per leaf and event type the transitions that may be
 * taken, in order of preference. What depends on the definition alone (which states a transition leaves and enters) is found here,
 * so that a step only walks.
 *
 * There are no parallel states, so one leaf says which states are active: it and its ancestors.
 */
import type { JsonObject } from "../messages.ts";
import type { MachineDefinition, StateDefinition, TransitionDefinition } from "./definition.ts";
import type { ActionDefinition } from "./definition-actions.ts";
import type { Expression } from "./expression.ts";

/** A timer that is armed whenever its state is entered. */
export interface Delay {
  /** `<state path>#<delay ms>`. */
  readonly key: string;
  readonly ms: number;
  /** The event that it is when it comes due. */
  readonly eventType: string;
}

export interface StateNode {
  /** Names from the machine to this state, joined with dots; `""` = the machine itself. */
  readonly path: string;
  readonly parent: StateNode | undefined;
  readonly final: boolean;
  /** Index in `Machine.states`, −1 if this is no leaf. */
  readonly leaf: number;
  readonly entry: readonly ActionDefinition[];
  readonly exit: readonly ActionDefinition[];
  readonly delays: readonly Delay[];
  /** The event raised when a final child was entered. */
  readonly doneType: string;
}

export interface CompiledTransition {
  readonly guard: Expression | undefined;
  readonly actions: readonly ActionDefinition[];
  /** The leaf it ends in; absent = it leaves nothing, its actions are all. */
  readonly to: StateNode | undefined;
  /** Active states below this one are left, from the leaf up; `undefined` = all, the machine too. */
  readonly domain: StateNode | undefined;
  /** States entered, from the top down. */
  readonly enter: readonly StateNode[];
}

/** A compiled machine. Nothing in it changes but caches. */
export interface Machine {
  readonly id: string;
  /** Full paths of the leaf states, e.g. `online.moving`; the index is the state's number. */
  readonly states: readonly string[];
  readonly leaves: readonly Leaf[];
  /** The context of an entity that starts. */
  readonly context: JsonObject;
  /** Into the initial state. */
  readonly initial: CompiledTransition;
}

/** What can be taken when a leaf is active. */
export class Leaf {
  readonly node: StateNode;
  /** Transitions without an event. */
  readonly always: readonly CompiledTransition[];
  /** A final child of the machine: the machine has ended, nothing can be taken. */
  readonly ends: boolean;
  readonly #on: readonly DescriptorTable[];
  readonly #known: ReadonlySet<string>;
  readonly #byType = new Map<string, readonly CompiledTransition[]>();
  readonly #hasWildcard: boolean;

  /**
   * @param on the tables of the leaf and its ancestors, from the leaf up.
   * @param known all event types that the machine names: only these are cached, so that strangers cannot fill the memory.
   */
  constructor(
    node: StateNode,
    always: readonly CompiledTransition[],
    on: readonly DescriptorTable[],
    known: ReadonlySet<string>,
  ) {
    this.node = node;
    this.ends = node.final && node.parent!.parent === undefined;
    this.always = always;
    this.#on = on;
    this.#known = known;
    this.#hasWildcard = on.some((table) => [...table.keys()].some(isWildcard));
  }

  /** Candidates for an event: those of the leaf, then of its ancestors; in each the exact ones first, then the longest wildcard. */
  candidates(eventType: string): readonly CompiledTransition[] {
    const cached = this.#byType.get(eventType);
    if (cached !== undefined) return cached;
    const known = this.#known.has(eventType);
    if (!known && !this.#hasWildcard) return NONE;
    const found = this.#on.flatMap((table) => matching(table, eventType));
    if (known) this.#byType.set(eventType, found);
    return found;
  }
}

type DescriptorTable = ReadonlyMap<string, readonly CompiledTransition[]>;
const NONE: readonly CompiledTransition[] = [];

function isWildcard(descriptor: string): boolean {
  return descriptor === "*" || descriptor.endsWith(".*");
}

/** `a.*` matches `a` and `a.b.c`, as in XState. */
function matches(descriptor: string, eventType: string): boolean {
  if (descriptor === "*" || descriptor === eventType) return true;
  return descriptor.endsWith(".*") && `${eventType}.`.startsWith(descriptor.slice(0, -1));
}

function matching(table: DescriptorTable, eventType: string): CompiledTransition[] {
  return [...table.keys()]
    .filter((descriptor) => matches(descriptor, eventType))
    .sort((a, b) => Number(b === eventType) - Number(a === eventType) || b.length - a.length)
    .flatMap((descriptor) => table.get(descriptor)!);
}

/** A node and what it was made from. */
interface Built {
  node: StateNode;
  definition: StateDefinition;
}

/** Compiles a checked definition; it cannot fail. */
export function compileMachine(definition: MachineDefinition): Machine {
  const byPath = new Map<string, Built>();
  const leaves: StateNode[] = [];
  const root = build(definition.id, definition.root, undefined, byPath, leaves);

  const on = new Map<StateNode, DescriptorTable>();
  const always = new Map<StateNode, CompiledTransition[]>();
  const known = new Set<string>();
  for (const { node, definition } of byPath.values()) {
    const compile = (transition: TransitionDefinition) => compileTransition(transition, node, byPath);
    const table = new Map<string, CompiledTransition[]>();
    for (const [descriptor, transitions] of definition.on) table.set(descriptor, transitions.map(compile));
    if (definition.onDone.length > 0) table.set(node.doneType, definition.onDone.map(compile));
    for (const { ms, eventType } of node.delays) table.set(eventType, definition.after.get(ms)!.map(compile));
    for (const descriptor of table.keys()) if (!isWildcard(descriptor)) known.add(descriptor);
    on.set(node, table);
    always.set(node, definition.always.map(compile));
  }
  return {
    id: definition.id,
    states: leaves.map((leaf) => leaf.path),
    leaves: leaves.map((leaf) => {
      const chain = upwards(leaf);
      return new Leaf(
        leaf,
        chain.flatMap((node) => always.get(node)!),
        chain.map((node) => on.get(node)!),
        known,
      );
    }),
    context: definition.context,
    initial: {
      guard: undefined,
      actions: [],
      domain: undefined,
      enter: [root, ...downwards(root, byPath)],
      to: downwards(root, byPath).at(-1)!,
    },
  };
}

function build(
  machineId: string,
  definition: StateDefinition,
  parent: StateNode | undefined,
  byPath: Map<string, Built>,
  leaves: StateNode[],
): StateNode {
  const { path } = definition;
  const id = definition.id ?? `${machineId}.${path}`;
  const isLeaf = definition.kind !== "compound";
  const node: StateNode = {
    path,
    parent,
    final: definition.kind === "final",
    leaf: isLeaf ? leaves.length : -1,
    entry: definition.entry,
    exit: definition.exit,
    delays: [...definition.after.keys()].map((ms) => ({
      key: `${path}#${ms}`,
      ms,
      eventType: `xstate.after.${ms}.${id}`,
    })),
    doneType: `xstate.done.state.${id}`,
  };
  byPath.set(path, { node, definition });
  if (isLeaf) leaves.push(node);
  for (const child of definition.states.values()) build(machineId, child, node, byPath, leaves);
  return node;
}

/** A state and its ancestors, from it up to the machine. */
export function upwards(node: StateNode): StateNode[] {
  const chain: StateNode[] = [];
  for (let at: StateNode | undefined = node; at !== undefined; at = at.parent) chain.push(at);
  return chain;
}

/** The states that are entered below a state when nothing else is said. */
function downwards(node: StateNode, byPath: ReadonlyMap<string, Built>): StateNode[] {
  const { definition } = byPath.get(node.path)!;
  if (definition.initial === undefined) return [];
  const child = byPath.get(definition.states.get(definition.initial)!.path)!.node;
  return [child, ...downwards(child, byPath)];
}

/**
 * Domain and entry set as SCXML (https://www.w3.org/TR/scxml/#AlgorithmforSCXMLInterpretation) and XState v5 define them: an internal
 * transition to inside its source keeps the source; any other leaves all below the least common ancestor of source and target.
 */
function compileTransition(
  transition: TransitionDefinition,
  source: StateNode,
  byPath: ReadonlyMap<string, Built>,
): CompiledTransition {
  const { guard, actions, reenter } = transition;
  if (transition.target === undefined) return { guard, actions, to: undefined, domain: undefined, enter: [] };
  const target = byPath.get(transition.target)!.node;
  const root = upwards(source).at(-1)!;
  const sourceChain = upwards(source);
  const targetChain = upwards(target);

  const inside = targetChain.includes(source);
  let domain: StateNode | undefined;
  if (inside && !reenter) domain = source;
  else {
    const common = targetChain.slice(1).find((ancestor) => sourceChain.indexOf(ancestor) > 0);
    domain = common ?? (reenter ? undefined : root);
  }
  const enter: StateNode[] = downwards(target, byPath);
  // An internal transition to the source itself enters only what is below it.
  if (target !== domain || target !== source) enter.unshift(target);
  for (let at = target.parent; target !== domain && at !== undefined && at !== domain; at = at.parent)
    enter.unshift(at);
  return { guard, actions, to: enter.at(-1) ?? target, domain, enter };
}
