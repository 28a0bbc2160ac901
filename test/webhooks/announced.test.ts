import t from "tap";
import { json } from "../support/asking.ts";
import { startTwoThatOnlyHear } from "../support/two-nodes.ts";
import { Receiver } from "./receiver.ts";
import { until } from "./rig.ts";

t.test("[EV79] who delivers a webhook hears of a change that another node has made", async (t) => {
  const receiver = await Receiver.start(t);
  const { nodes } = await startTwoThatOnlyHear(t, "hooks");
  const held = async ({ ask }: (typeof nodes)[number]) =>
    /^muster_webhooks_held 1$/m.test(await (await ask("GET", "/metrics")).text());
  /** Those that do not deliver it, once one does. */
  const others = async () => {
    for (;;) {
      const are = await Promise.all(nodes.map(held));
      if (are.includes(true)) return nodes.filter((_, i) => !are[i]);
    }
  };
  const isHeld = async () => (await Promise.all(nodes.map(held))).includes(true);
  const { id } = await json(nodes[0].ask("POST", "/v1/webhooks", { url: receiver.url }));
  const one = `/v1/webhooks/${id}`;
  for (let i = 0; i < 2; i++) {
    const [other] = await others();
    t.equal((await other!.ask("PATCH", one, { enabled: false })).status, 200);
    await until(async () => !(await isHeld()));
    t.equal((await other!.ask("PATCH", one, { enabled: true })).status, 200);
  }
  const [other] = await others();
  t.equal((await other!.ask("POST", `${one}/secret`)).status, 200);
  let n = 0;
  await until(async () => {
    await other!.ask("POST", "/v1/reports", [{ id: `x${n++}`, t: new Date().toISOString(), lon: 1, lat: 2 }]);
    return receiver.received.at(-1)?.headers["webhook-signature"]?.includes(" ") ?? false;
  });
  t.equal((await other!.ask("DELETE", one)).status, 204);
  await until(async () => !(await isHeld()));
});
