import t from "tap";
import type { CommandResult } from "../../client/command-queue.ts";
import { CommandOutcomeUnknown } from "../../client/errors.ts";
import { SignOffs } from "../../web/sign-off.ts";

t.test("[W23] a sign-off belongs to the entity that was asked, and is told until it was read", async (t) => {
  const answers: { id: string; resolve(result: CommandResult): void; reject(error: Error): void }[] = [];
  let changes = 0;
  const answered: string[] = [];
  const signOffs = new SignOffs(
    (id) => new Promise((resolve, reject) => answers.push({ id, resolve, reject })),
    () => changes++,
    (id) => answered.push(id),
  );
  const nothing = { canBeAsked: true, text: "" };
  t.strictSame(signOffs.told("a", "open"), nothing);
  const asked = signOffs.ask("a");
  t.strictSame(signOffs.told("a", "open"), { canBeAsked: false, text: "Signing off …" });
  t.match(signOffs.told("a", "waiting"), { canBeAsked: false, text: /waits for the connection/ });
  t.strictSame(signOffs.told("b", "open"), nothing, "another one can be asked meanwhile");
  const detail = "it is under way";
  answers[0].resolve({ id: "1", accepted: false, type: "refused", detail } as unknown as CommandResult);
  await asked;
  t.equal(changes, 2);
  t.strictSame(signOffs.told("a", "open"), { canBeAsked: true, text: `Not signed off: ${detail}` });
  t.strictSame(signOffs.told("b", "open"), nothing);
  signOffs.read("a");
  t.strictSame(signOffs.told("a", "open"), nothing, "it was read");

  const failed = signOffs.ask("b");
  answers[1].reject(new Error("the connection is closed"));
  await failed;
  t.equal(signOffs.told("b", "open").text, "Not signed off: the connection is closed");
  const done = signOffs.ask("b");
  t.equal(signOffs.told("b", "open").text, "Signing off …", "what was before is not told any more");
  answers[2].resolve({ id: "3", accepted: true, state: "offline" });
  await done;
  t.strictSame(signOffs.told("b", "open"), { canBeAsked: true, text: "Signed off." });
  const lost = signOffs.ask("b");
  answers[3].reject(new CommandOutcomeUnknown("x"));
  await lost;
  t.match(signOffs.told("b", "open").text, /not known whether/);
  t.strictSame(answered, ["a", "b", "b", "b"], "each time it is looked up anew");
  t.strictSame(
    answers.map(({ id }) => id),
    ["a", "b", "b", "b"],
  );
});

t.test("[W23] that it was signed off is told while it is, and not when it is back", async (t) => {
  const signOffs = new SignOffs(
    async (id) => ({ id: "1", ...(id === "a" ? { accepted: true, state: "offline" } : {}) }) as CommandResult,
    () => {},
    () => {},
  );
  const text = (id: string, isOffered: boolean) => signOffs.told(id, "open", isOffered).text;
  await Promise.all([signOffs.ask("a"), signOffs.ask("b")]);
  signOffs.seen("a", true);
  t.equal(text("a", true), "Signed off.", "the view has not told it yet");
  signOffs.seen("a", false);
  t.equal(text("a", false), "Signed off.");
  t.equal(signOffs.told("a", "waiting", false).text, "Signed off.");
  t.equal(signOffs.told("c", "waiting", false).text, "", "nobody wants to ask it");
  signOffs.seen("a", true);
  t.equal(text("a", true), "");
  for (const canSignOff of [false, true]) signOffs.seen("b", canSignOff);
  t.match(text("b", true), /^Not signed off/, "what went wrong stays until it was read");
});

t.test("[AC111] what no role allows is told once, and not offered again", async (t) => {
  const signOffs = new SignOffs(
    async (id) => ({ id: "1", accepted: false, type: id, detail: "no role" }) as CommandResult,
    () => {},
    () => {},
  );
  for (const [id, isForbidden] of [
    ["forbidden", true],
    ["command-refused", false],
  ] as const) {
    t.equal(signOffs.isForbidden(id), false);
    await signOffs.ask(id);
    t.equal(signOffs.isForbidden(id), isForbidden);
    t.equal(signOffs.told(id, "open", !isForbidden).text, "Not signed off: no role");
    signOffs.read(id);
    t.equal(signOffs.told(id, "open", !isForbidden).text, "");
    t.equal(signOffs.isForbidden(id), isForbidden, "also when it was read");
  }
});

t.test("[W23] without a connection nobody is asked to sign off, and the panel says why", async (t) => {
  const signOffs = new SignOffs(async () => t.fail() as never, t.fail, t.fail);
  for (const connection of ["connecting", "waiting", "closed"] as const)
    t.match(signOffs.told("a", connection), { canBeAsked: false, text: /^Without a connection/ });
});
