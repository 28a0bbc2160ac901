// What nodes of the version before read of a journal, while both versions run.
import t from "tap";
import { OUTCOME } from "../../src/actors/command-memory.ts";
import { emptyReported, readFacts } from "../../src/actors/fact-codec.ts";
import type { Fact } from "../../src/actors/facts.ts";
import { OpenSections } from "../../src/actors/open-sections.ts";
import { shardOf } from "../../src/actors/shard-hash.ts";
import { report, startSystem } from "../support/actor-system.ts";

const BEFORE = 8;
const WITH_PATCHES = 9;

const base = { number: 300 };
const gone = { id: "müll-7" };
const FACTS: Fact[] = [
  { is: "introduced", ...base, seq: 1, ...gone, kind: "truck" },
  {
    ...{ ...emptyReported(), ...base, seq: 2, t: 1_767_225_600_000, received: 1_767_225_600_250 },
    ...{ hash: 0xdeadbeef, lon: 24.95, lat: 60.16, speed: 4.5, source: "gps", sourceSeq: 7 },
    attributes: '{"fleet":"north"}',
  },
  {
    ...{ ...emptyReported(), ...base, seq: 3, t: 0.5, received: 2.25, hash: 1, late: true, lon: 1 / 3 },
    ...{ lat: 2 / 3, alt: 12, course: 90, heading: 91, accuracy: 8 },
  },
  { is: "kind", ...base, seq: 4, kind: "van", since: 5 },
  { is: "machine", ...base, seq: 5, machine: "door@2" },
  {
    ...{ is: "transitioned", ...base, seq: 6, state: "online.moving", context: { n: 1 }, since: 5 },
    timers: [{ key: "a", due: 9 }],
  },
  { is: "liveness", ...base, seq: 7, liveness: 2 },
  {
    ...{ is: "occupied", ...base, seq: 8, since: 5 },
    occupied: [{ phase: "in", fence: "harbour", version: 3, episode: { id: "e", enteredAt: 4 } }],
  },
  { is: "commanded", ...base, seq: 9, id: "c1", at: 11, outcome: OUTCOME.accepted, state: "online.moving" },
  { is: "deleted", ...base, seq: 10, command: "d1", at: 12, erase: true, ...gone },
  { is: "removed", ...base, seq: 0 },
];
/** As the version before wrote them. */
const WRITTEN = `08
  01 ac02 01 07 6dc3bc6c6c2d37 05 747275636b
  03 ac02 02 141f faa8da769b01 f403 efbeadde 6011df0e 00b0db23 00009040 000000000000 1c40 03 677073
    11 7b22666c656574223a226e6f727468227d
  03 ac02 03 ed00 000000000000e03f 0000000000000240 01000000 555555555555d53f 555555555555e53f
    00004041 0000b442 0000b642 00000041
  0b ac02 04 0000000000001440 03 76616e
  09 ac02 05 06 646f6f724032
  0c ac02 06 0000000000001440 0d 6f6e6c696e652e6d6f76696e67 07 7b226e223a317d 01 01 61 0000000000002240
  05 ac02 07 02
  0d ac02 08 0000000000001440 01 02 07 686172626f7572 03 01 65 0000000000001040
  06 ac02 09 02 6331 0000000000002640 00 0d 6f6e6c696e652e6d6f76696e67
  07 ac02 0a 02 6431 0000000000002840 01 07 6dc3bc6c6c2d37
  08 ac02 00`.replaceAll(/\s/g, "");
const PATCHED: Fact = { is: "patched", ...base, seq: 11, key: "k", at: 0, labels: ["x"], attributes: "" };

const sectionsOf = (open: OpenSections) =>
  open.take(() => 1).map(({ shard, body }) => [shard, Buffer.from(body).toString("hex")] as const);

t.test("[D63] without a patch a section is byte for byte one of the version before", async (t) => {
  const open = new OpenSections();
  for (const fact of FACTS) open.add(7, fact);
  open.add(8, PATCHED);
  for (const fact of FACTS) open.add(9, fact);
  const sections = new Map(sectionsOf(open));
  t.equal(sections.get(7), WRITTEN);
  t.equal(sections.get(8)!.slice(0, 2), "09");
  t.equal(sections.get(9), WRITTEN, "beside one that has a patch");

  for (const fact of [...FACTS, PATCHED]) open.add(7, fact);
  const [[, patched]] = sectionsOf(open);
  t.match(patched, `09${WRITTEN.slice(2)}`);
  open.add(7, PATCHED);
  open.add(8, FACTS[0]!);
  open.drop(new Set([7]));
  for (const fact of FACTS) open.add(7, fact);
  t.equal(new Map(sectionsOf(open)).get(7), WRITTEN, "what was dropped had one");
});

t.test(
  "[D63] of a running node, and of a batch that is written in parts, only sections with a patch are new",
  async (t) => {
    const h = await startSystem();
    // All of one shard.
    const ids = Array.from({ length: 2_000 }, (_, i) => `v${i}`)
      .filter((id) => shardOf(id) === 3)
      .slice(0, 3);
    t.equal(ids.length, 3);
    const settle = async (asked: Promise<unknown>) => {
      await h.clock.advance(1_000);
      await asked;
    };
    const written = () =>
      h.store.batches.splice(0).flatMap(({ batch }) => {
        return batch.sections.map(({ shard, body }) => {
          const kinds = new Set<string>();
          readFacts(body, ({ is }) => kinds.add(is));
          t.equal(body[0], kinds.has("patched") ? WITH_PATCHES : BEFORE, `shard ${shard}: ${[...kinds]}`);
          return body[0];
        });
      });
    const { router } = h.system;
    await settle(router.submit([...ids, "other"].map((id) => report(id, 0, { speed: 5 }))));
    await settle(router.command({ id: "1", entity: ids[0]!, name: "sign-off" }));
    t.ok(written().every((version) => version === BEFORE));
    const patch = (id: string) => ({ id, entity: ids[0]!, attributes: { fleet: "north" } });
    const reports = () => router.submit([...ids, "other"].map((id, i) => report(id, 10 + i, { speed: 5 })));
    await settle(Promise.all([router.command(patch("2")), reports()]));
    t.same(written().sort(), [BEFORE, WITH_PATCHES]);

    h.store.poison = (batch) => batch.sections.some(({ body }) => Buffer.from(body).includes(ids[2]!));
    const bad = router.submit([report(ids[1]!, 20), report(ids[2]!, 20, { attributes: { text: ids[2] } })]);
    await settle(Promise.all([router.command(patch("3")), bad]));
    t.same(written().sort(), [BEFORE, WITH_PATCHES], "the patch, and who stands beside it");
  },
);
