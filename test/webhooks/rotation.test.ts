import { randomUUID } from "node:crypto";
import t from "tap";
import { openEmbedded, openOnPostgres } from "../events/rig.ts";

const DAY_MS = 86_400_000;

for (const [name, openStore] of Object.entries({ server: openOnPostgres, embedded: openEmbedded })) {
  t.test(`[EV42] a repeated rotation keeps the secret that the receiver has (${name})`, async (t) => {
    const store = await openStore(t);
    t.teardown(() => store.close());
    const { webhooks } = store;
    const id = randomUUID();
    await webhooks.create({ id, url: "http://127.0.0.1:9/", enabled: true, secret: "AAAA", createdAt: 0 });
    const secrets = async () => (await webhooks.hold("node", 60_000))[0]!.webhook.secrets;
    const now = Date.now();
    const promised = await webhooks.rotate(id, "BBBB", now + DAY_MS);
    t.equal(Math.round(promised! / 1_000), Math.round((now + DAY_MS) / 1_000));
    t.same(await secrets(), ["BBBB", "AAAA"]);
    t.equal(await webhooks.rotate(id, "CCCC", now + 2 * DAY_MS), promised, "the time that was told first");
    t.same(await secrets(), ["CCCC", "AAAA"], "nobody may have got BBBB");
    await store.context.pool.query("UPDATE webhook SET previous_until = now() - interval '1 s'");
    t.same(await secrets(), ["CCCC"]);
    await webhooks.rotate(id, "DDDD", now + DAY_MS);
    t.same(await secrets(), ["DDDD", "CCCC"], "a rotation of its own");
    t.equal(await webhooks.rotate(randomUUID(), "EEEE", now), undefined);
  });
}
