/** Reads a Dockerfile and a .dockerignore: as much of their languages as ours use, and no more. */

export interface Instruction {
  /** Upper case: `COPY`. */
  name: string;
  /** What follows, on one line. */
  text: string;
}

export interface Stage {
  /** From `AS`, or the stage's index. */
  name: string;
  base: string;
  instructions: Instruction[];
}

/** @throws on what is no instruction. */
export function parseDockerfile(text: string): Stage[] {
  const lines = text
    .split("\n")
    .filter((line) => !/^\s*#/.test(line))
    .join("\n")
    .replace(/\\\n/g, " ")
    .split("\n");
  const stages: Stage[] = [];
  for (const line of lines) {
    if (line.trim() === "") continue;
    const match = /^([A-Z]+)\s+(.*\S)\s*$/.exec(line);
    if (!match) throw new SyntaxError(`not an instruction: ${line}`);
    const [, name, text] = match;
    if (name === "FROM") {
      const from = /^(\S+)(?:\s+AS\s+(\S+))?$/.exec(text);
      if (!from) throw new SyntaxError(`not a FROM: ${line}`);
      stages.push({ base: from[1], name: from[2] ?? String(stages.length), instructions: [] });
    } else {
      if (stages.length === 0) throw new SyntaxError("FROM comes first");
      stages.at(-1)!.instructions.push({ name, text });
    }
  }
  return stages;
}

export interface Copy {
  /** A stage; undefined = the folder that is built. */
  from?: string;
  sources: string[];
  target: string;
}

export function parseCopy({ text }: Instruction): Copy {
  const words = text.split(/\s+/);
  const from = words.find((word) => word.startsWith("--from="))?.slice("--from=".length);
  const paths = words.filter((word) => !word.startsWith("--"));
  return { from, sources: paths.slice(0, -1), target: paths.at(-1)! };
}

/** The words of `CMD ["a", "b"]`; the form without brackets would put a shell in front, which swallows signals. */
export function parseCommand(text: string): string[] {
  const from = text.indexOf("[");
  if (from < 0) throw new SyntaxError(`not in exec form: ${text}`);
  return JSON.parse(text.slice(from));
}

/** `ENV a=1 b=2`, without quotes. */
export function parseEnvironment(text: string): [name: string, value: string][] {
  return text.split(/\s+/).map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
}

/**
 * Whether .dockerignore leaves a path out: the last line that matches it or a folder above it decides.
 * @throws on patterns with wildcards other than a lone `*`.
 */
export function isIgnored(dockerignore: string, path: string): boolean {
  let ignored = false;
  for (const raw of dockerignore.split("\n")) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const keeps = line.startsWith("!");
    const pattern = keeps ? line.slice(1) : line;
    if (pattern !== "*" && /[*?[]/.test(pattern))
      throw new SyntaxError(`a pattern this reader does not know: ${line}`);
    if (pattern === "*" || path === pattern || path.startsWith(`${pattern}/`)) ignored = !keeps;
  }
  return ignored;
}
