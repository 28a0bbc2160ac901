/** A ship and a truck of each of two fleets, and principals who may see those of their own. */
import { Policy } from "../../src/access/policy.ts";
import type { Principal, Role } from "../../src/access/ports.ts";
import { FULL } from "../../src/picture/picture.ts";
import { PROTOCOL_JSON, type ServerMessage } from "../../src/transport/feed/protocol.ts";
import { add, harness, TestClient } from "./harness.ts";

export const key = (id: string, fleet: string): Principal => ({
  ...{ id, name: id, roles: ["viewer"], attributes: { fleet } },
});
export const viewer = (...wheres: (string | undefined)[]): Role => ({
  name: "viewer",
  grants: wheres.map((where) => ({ resource: "entity", actions: ["read"], where })),
});
export const OWN = "principal.attributes.fleet in entity.labels";
export const TYPE = (name: string) => `urn:muster:problem:${name}`;

/** A ship and a truck of each fleet, and those who may see their own. */
export function fleets(options: Parameters<typeof harness>[0] = {}) {
  const policy = new Policy();
  policy.take([viewer(OWN)]);
  /** By id, as they are now. */
  const keys = new Map(["north", "south"].map((fleet) => [fleet, key(fleet, fleet)]));
  const current = ({ id }: Principal) => keys.get(id);
  const made = harness({ policy, current, ...options });
  const { picture, feed, clock } = made;
  const label = (slot: number, ...labels: string[]) => {
    picture.columns.labels.set(slot, labels);
    picture.touch(slot, FULL);
  };
  const slots = new Map<string, number>();
  for (const [i, fleet] of ["north", "south"].entries())
    for (const kind of ["ship", "truck"]) {
      const slot = add(picture, `${fleet} ${kind}`, 10.05 + i / 100, 50.05, kind);
      label(slot, fleet);
      slots.set(`${fleet} ${kind}`, slot);
    }
  const client = (id: string, protocol: string = PROTOCOL_JSON) =>
    new TestClient(feed, () => {}, protocol, keys.get(id) ?? key(id, id));
  const tick = (times = 1) => {
    for (let i = 0; i < times; i++) {
      clock.pass(100);
      feed.tick();
    }
  };
  return { ...made, policy, keys, label, slots, client, tick };
}

export const ids = ({ entities }: { entities: ReadonlyMap<string, unknown> }) => [...entities.keys()].sort();
export const told = ({ received }: TestClient) =>
  received.filter(({ op }) => op !== "heartbeat").map(({ op }) => op as ServerMessage["op"]);
