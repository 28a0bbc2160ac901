import type { Environment } from "@marcbachmann/cel-js";
import t from "tap";
import { BindableWhere, checkWhere } from "../../src/access/bind.ts";
import type { Principal } from "../../src/access/ports.ts";
import { TOPICS } from "../../src/access/topics.ts";
import { ExpressionError } from "../../src/picture/cel.ts";

const ALICE: Principal = {
  id: "k1",
  name: 'al"ice',
  roles: ["dispatcher", "viewer"],
  attributes: { fleet: "north", depth: -2.5, size: 5, isNight: true, fleets: ["north", "south"] },
};
const topic = TOPICS.entity!;
const bound = (where: string, principal = ALICE) => new BindableWhere(where, topic).bind(principal).where;

t.test("[AC1] what comes out has the principal's own values in place of `principal`", async (t) => {
  for (const [where, wanted] of [
    ["entity.attributes.fleet == principal.attributes.fleet", 'entity.attributes.fleet == "north"'],
    ["principal.attributes.fleet in entity.labels", '"north" in entity.labels'],
    ["entity.kind in principal.attributes.fleets", 'entity.kind in ["north", "south"]'],
    ["entity.alt > principal.attributes.depth", "entity.alt > (-2.5)"],
    ["entity.speed < principal.attributes.size", "entity.speed < 5.0"],
    ["principal.attributes.isNight || entity.id == principal.id", 'true || entity.id == "k1"'],
    ["principal.name == entity.kind", '"al\\"ice" == entity.kind'],
    ['"viewer" in principal.roles', '"viewer" in ["dispatcher", "viewer"]'],
    ["has(principal.attributes.fleet) && has(principal.id)", "true && true"],
    ["has(principal.attributes.none)", "false"],
  ] as const)
    t.equal(bound(where), wanted, where);
});

t.test(
  "[AC2] a where that has no meaning with a principal's attributes is refused for it alone",
  async (t) => {
    const where = "entity.kind == principal.attributes.size";
    t.doesNotThrow(() => checkWhere(where, topic));
    t.throws(() => bound(where), ExpressionError);
  },
);

t.test("[AC3] a where that no principal can give a meaning is refused with its place", async (t) => {
  for (const [where, position] of [
    ["entity.sped > 1", 7],
    ["entity.kind == principal.fleet", 25],
    ["[1].exists(principal, principal > 0)", 11],
    ["entity.kind", 0],
    ["event.type == 'x'", 0],
    ['entity.id.matches("a+")', 0],
  ] as const)
    t.throws(() => checkWhere(where, topic), { name: "ExpressionError", position }, where);
  t.throws(() => checkWhere("principal", topic), ExpressionError);
  t.throws(() => checkWhere(`${"!".repeat(1_025)}true`, topic), ExpressionError);
});

t.test("[AC1] a principal's text cannot change what an expression says", async (t) => {
  const name = '" || true || "\\u0022 \\';
  const text = bound("entity.kind == principal.name", { ...ALICE, name });
  t.equal(text, `entity.kind == ${JSON.stringify(name)}`);
  t.equal(bound(text), text, "it is one literal");
});

t.test("[AC90] a where is checked once for all whose values have the same form", async (t) => {
  let checks = 0;
  const parse = (text: string) => {
    checks++;
    return topic.environment.parse(text);
  };
  const counted = { ...topic, environment: { parse } as Environment };
  const text = "entity.id == principal.name && entity.kind == principal.attributes.x";
  const where = new BindableWhere(text, counted);
  const whoHas = (name: string, x: string | number) => ({ ...ALICE, name, attributes: { x } });
  for (let i = 0; i < 10; i++)
    t.equal(where.bind(whoHas(`k${i}`, "a")).where, `entity.id == "k${i}" && entity.kind == "a"`);
  for (let i = 0; i < 10; i++)
    t.throws(() => where.bind(whoHas("k", i)), { name: "ExpressionError", message: /string == double/ });
  t.equal(checks, 2);
  for (const name of ["a".repeat(9_000), "\ud800"])
    t.throws(() => where.bind(whoHas(name, "a")), ExpressionError, "what is not of the form alone");
  t.equal(where.bind(whoHas("k", "a")).where, 'entity.id == "k" && entity.kind == "a"');
});
