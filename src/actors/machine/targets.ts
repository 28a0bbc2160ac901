/** What the target of a transition means, as XState v5 says. */
import type { StateDefinition } from "./definition.ts";
import { MachineError } from "./errors.ts";

/**
 * The state that a target names: `#id` or `#id.a.b` from the state with that id (the machine's own id is the machine), `.a.b` from
 * the source, `a.b` from the source's parent.
 *
 * @throws MachineError `unknown-target`.
 */
export function resolveTarget(
  root: StateDefinition,
  byId: ReadonlyMap<string, StateDefinition>,
  source: StateDefinition,
  target: string,
  at: string,
): StateDefinition {
  const names = target.split(".");
  let from: StateDefinition | undefined;
  if (target.startsWith("#")) from = byId.get(names.shift()!.slice(1));
  else if (target.startsWith(".")) {
    names.shift();
    from = source;
  } else {
    if (source === root)
      throw new MachineError("unknown-target", at, `the machine has no siblings; did you mean ".${target}"?`);
    from = parentOf(root, source);
  }
  for (const name of names) from = from?.states.get(name);
  if (from === undefined)
    throw new MachineError("unknown-target", at, `there is no state ${JSON.stringify(target)}`);
  return from;
}

function parentOf(root: StateDefinition, state: StateDefinition): StateDefinition {
  const names = state.path.split(".");
  let parent = root;
  for (const name of names.slice(0, -1)) parent = parent.states.get(name)!;
  return parent;
}
