/** `<name>@<version>`: what facts and checkpoints say an entity runs. Empty = the built-in machine. */
export const BUILT_IN = "";

export function referenceTo(name: string, version: number): string {
  return `${name}@${version}`;
}

/** @returns the name, empty for the built-in machine. */
export function nameOf(reference: string): string {
  return reference.slice(0, Math.max(0, reference.lastIndexOf("@")));
}

/** @returns 0 for the built-in machine. */
export function versionOf(reference: string): number {
  return reference === BUILT_IN ? 0 : Number(reference.slice(reference.lastIndexOf("@") + 1));
}
