import t from "tap";
import { Policy } from "../../src/access/policy.ts";
import { ADMIN, type Principal } from "../../src/access/ports.ts";

const principal = (roles: string[], fleet: string): Principal => ({
  id: fleet,
  name: fleet,
  roles,
  attributes: { fleet },
});
const OWN_FLEET = "entity.attributes.fleet == principal.attributes.fleet";

t.test(
  "[AC4] what no grant allows is denied, what any allows is allowed, and an admin may everything",
  async (t) => {
    const policy = new Policy();
    policy.take([
      {
        name: "viewer",
        grants: [
          { resource: "entity", actions: ["read"], where: OWN_FLEET },
          { resource: "entity", actions: ["read"], where: "entity.kind == 'ship'" },
        ],
      },
      { name: "dispatcher", grants: [{ resource: "entity", actions: ["read", "command"] }] },
    ]);
    const viewer = principal(["viewer", "of yesterday"], "north");
    t.same(policy.permits(viewer, "entity", "read"), [
      'entity.attributes.fleet == "north"',
      "entity.kind == 'ship'",
    ]);
    t.same(policy.permits(viewer, "entity", "command"), []);
    t.same(policy.permits(viewer, "event", "read"), []);
    const both = principal(["viewer", "dispatcher"], "north");
    t.equal(policy.permits(both, "entity", "read"), "all");
    t.same(policy.permits(both, "report", "create"), []);
    t.same(policy.permits(principal([], "north"), "entity", "read"), []);
    t.equal(policy.permits(ADMIN, "report", "create"), "all");
  },
);

t.test(
  "[AC5] changed roles count at once, and a grant without meaning for a principal allows nothing and is told",
  async (t) => {
    const policy = new Policy();
    const viewer = principal(["viewer"], "north");
    t.same(policy.permits(viewer, "entity", "read"), []);
    policy.take([{ name: "viewer", grants: [{ resource: "entity", actions: ["read"] }] }]);
    t.equal(policy.permits(viewer, "entity", "read"), "all");
    const where = "entity.speed < principal.attributes.fleet";
    policy.take([
      {
        name: "viewer",
        grants: [
          { resource: "event", actions: ["read"] },
          { resource: "entity", actions: ["read"], where: "entity.kind == principal.attributes.size" },
        ],
      },
    ]);
    const sized: Principal = { ...viewer, attributes: { size: 3 } };
    t.same(policy.permits(sized, "entity", "read"), []);
    t.same(policy.faults(sized), [
      { role: "viewer", grant: 1, detail: "no such overload: string == double" },
    ]);
    t.same(
      policy.faults(viewer),
      [{ role: "viewer", grant: 1, detail: "the key has no attribute size, so what asks for it fails" }],
      "an attribute that is not there fails when it is looked at",
    );
    t.same(policy.permits(viewer, "entity", "read").length, 1);
    t.equal(policy.revision, 2);
    policy.take([{ name: "viewer", grants: [{ resource: "entity", actions: ["read"], where }] }]);
    t.equal(policy.permits(sized, "entity", "read").length, 1);
  },
);

t.test("[AC93] attributes that a principal lacks are told, but for those that are asked for", async (t) => {
  const policy = new Policy();
  const where = (text: string) => ({ resource: "entity" as const, actions: ["read" as const], where: text });
  const label = (name: string) => `principal.attributes.${name} in entity.labels`;
  policy.take([
    {
      name: "viewer",
      grants: [
        where(label("fleet")),
        where(`${label("fleeet")} || ${label("depot")} || ${label("depot")}`),
        where(`has(principal.attributes.depot) && ${label("depot")}`),
        where("principal.attributes.?depot.orValue('') in entity.labels"),
        where(`(principal.attributes).depot == 'a' || ${OWN_FLEET}`),
        { resource: "event", actions: ["read"] },
      ],
    },
  ]);
  const viewer = principal(["viewer"], "north");
  const fault = (grant: number, name: string) => ({
    ...{ role: "viewer", grant, detail: `the key has no attribute ${name}, so what asks for it fails` },
  });
  t.same(policy.faults(viewer), [fault(1, "depot"), fault(1, "fleeet"), fault(4, "depot")]);
  t.equal(policy.permits(viewer, "entity", "read").length, 5, "they are grants all the same");
});

t.test("[AC90] what is known of who has none of the roles that changed stays", async (t) => {
  const policy = new Policy();
  const viewer = (where: string) => ({
    name: "viewer",
    grants: [{ resource: "entity" as const, actions: ["read" as const], where }],
  });
  const other = { ...viewer("entity.kind == 'ship'"), name: "other" };
  policy.take([viewer(OWN_FLEET), other]);
  const [north, both] = [principal(["viewer"], "north"), principal(["viewer", "other"], "north")];
  const known = policy.permits(north, "entity", "read");
  const ofBoth = policy.permits(both, "entity", "read");
  const stay: (string | undefined)[] = [];
  policy.watch(
    (before, now) => void stay.push([...now].find(([name, role]) => before.get(name) === role)?.[0]),
  );
  policy.take([structuredClone(viewer(OWN_FLEET))]);
  t.equal(policy.permits(north, "entity", "read"), known, "the same list");
  t.same(policy.permits(both, "entity", "read"), known);
  policy.take([other, viewer(OWN_FLEET)]);
  t.equal(policy.permits(north, "entity", "read"), known);
  t.same(policy.permits(both, "entity", "read"), ofBoth);
  policy.take([viewer("entity.kind == 'bus'"), other]);
  t.same(policy.permits(north, "entity", "read"), ["entity.kind == 'bus'"]);
  t.same(stay, ["viewer", "viewer", "other"]);
});
