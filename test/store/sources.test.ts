import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parse, type SyntaxNode, walk } from "../tidy/source.ts";

const ROOT = join(import.meta.dirname, "../..");
/** What leads to another connection. */
const OTHERS = ["pool", "withClient", "inTransaction", "orm", "em"];
/** Methods of the store that take a connection themselves. */
const METHODS = ["append", "write", "claim", "recover", "leave", "turn"];

t.test("[D11] inside a transaction only its own client is used", async (t) => {
  const complaints: string[] = [];
  let looked = 0;
  for (const file of readdirSync(join(ROOT, "src/store"), { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts") || file === "session.ts") continue;
    const found = check(file, readFileSync(join(ROOT, "src/store", file), "utf8"));
    looked += found.looked;
    complaints.push(...found.complaints);
  }
  t.same(complaints, []);
  t.ok(looked > 8, `${looked} functions have a client`);
});

t.test("[D11] another client inside a transaction is noticed", async (t) => {
  const wrong = [
    "inTransaction(context, async (client) => { await context.pool.query('SELECT 1'); });",
    "inTransaction(context, (client) => withClient(context, (other) => other.query('SELECT 1')));",
    "withClient(context, async (client) => { await this.append(batch, 1); });",
    "function f(client: PoolClient) { return orm.em.find(Cluster, {}); }",
  ];
  for (const text of wrong) t.not(check("a.ts", text).complaints.length, 0, text);
  t.equal(
    check("a.ts", "inTransaction(context, (client) => client.query('SELECT 1'));").complaints.length,
    0,
  );
});

function check(path: string, text: string): { complaints: string[]; looked: number } {
  const complaints: string[] = [];
  let looked = 0;
  walk(parse({ path, text }).program, (node) => {
    if (!hasClient(node)) return undefined;
    looked += 1;
    walk(node.body as SyntaxNode, (inner) => {
      const { type, name } = inner as unknown as { type: string; name: string };
      if (type === "Identifier" && OTHERS.includes(name)) complaints.push(`${path}: ${name}`);
      if (type === "MemberExpression" && (inner.object as SyntaxNode).type === "ThisExpression") {
        const method = (inner.property as unknown as { name: string }).name;
        if (METHODS.includes(method)) complaints.push(`${path}: this.${method}`);
      }
      return undefined;
    });
    return undefined;
  });
  return { complaints, looked };
}

function hasClient(node: SyntaxNode): boolean {
  if (!["ArrowFunctionExpression", "FunctionDeclaration", "FunctionExpression"].includes(node.type))
    return false;
  const parameters = node.params as unknown as { name?: string }[];
  return parameters.some((parameter) => parameter.name === "client");
}
