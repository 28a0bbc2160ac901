// The description of an entity, for those who make clients from it, and what is answered.
import t from "tap";
import { History } from "../../src/tracks/history.ts";
import { FeatureSchema } from "../../src/transport/http/schemas.ts";
import { NO_ROWS, NO_TAILS } from "../support/no-history.ts";
import { addEntity, NOW, testApp } from "./fixture.ts";

const point = (t: number) => ({ t, lon: 25, lat: 60, alt: 1, speed: 2, course: 3 });
const row = {
  ...{ id: "a", kind: "vessel", state: "moving", attributes: '{"n":1}', labels: ["x"], fences: ["quay"] },
  ...{ recorded: NOW, hold: false, points: [point(NOW - 1_000), point(NOW)] },
};
const history = new History({ ...NO_ROWS, at: async () => [row], of: async () => [row] }, NO_TAILS);

t.test(
  "[H50] an entity as it is and as it was has what the API's description says, and no more",
  async (t) => {
    const app = testApp({ history });
    addEntity(app.picture, "a", [25, 60], { attributes: { n: 1 } });
    const then = `datetime=${new Date(NOW - 500).toISOString()}`;
    const list = async (query: string) =>
      ((await (await app.get(`/v1/entities?${query}`)).json()) as { features: object[] }).features;
    const one = async (query: string) => (await (await app.get(`/v1/entities/a?${query}`)).json()) as object;
    const was = [...(await list(then)), await one(then)];
    const is = [...(await list("")), ...(await list("near=25,60")), await one("")];
    t.equal(was.length + is.length, 5);
    for (const feature of [...was, ...is]) t.strictSame(FeatureSchema.parse(feature), feature);
    const now = ["received", "epoch", "seq"];
    for (const { properties } of was.map((feature) => FeatureSchema.parse(feature))) {
      t.ok(properties.recorded);
      for (const name of now) t.notOk(name in properties, `${name} is of now`);
    }
    for (const { properties } of is.map((feature) => FeatureSchema.parse(feature))) {
      t.notOk("recorded" in properties);
      for (const name of now) t.ok(name in properties, name);
    }
  },
);
