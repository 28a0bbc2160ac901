/** `/v1/machines`: the statecharts that entities run, by kind. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { compileMachine } from "../../../actors/machine/compile.ts";
import { parseMachine } from "../../../actors/machine/definition.ts";
import { MachineError } from "../../../actors/machine/errors.ts";
import { MAX_MACHINE_KINDS, MAX_MACHINE_STATES_KEPT, MAX_MACHINES } from "../../../actors/machine/limits.ts";
import { timersOf } from "../../../actors/machine/migrate.ts";
import type {
  MachineChange,
  MachineDraft,
  MachineStore,
  MachineVersion,
} from "../../../actors/machine/ports.ts";
import { TRACKED_JSON } from "../../../actors/machine/tracked.ts";
import { isObject, type JsonObject } from "../../../actors/messages.ts";
import { MAX_NAME_LENGTH } from "../../../limits.ts";
import { nameFault } from "../../ingest/report.ts";
import type { BodyBudget } from "../body.ts";
import { NO_STORE } from "../no-store.ts";
import type { ProblemType } from "../problem.ts";
import { problemResponse } from "../problem-response.ts";
import { refuseInvalid } from "../refuse-invalid.ts";
import { JSON_TYPE, jsonAnswer, PROBLEM_RESPONSE } from "../schemas.ts";
import { readSmallJson } from "../small-body.ts";
import { changing, type Held, IfMatch, IfMatchOrNone, versionAnswer } from "../versions.ts";

export type MachinesOptions = Held<MachineStore, MachineVersion>;

const BUILT_IN = "tracked";

const kind = z.string().superRefine((text, context) => {
  const fault = nameFault("a kind", text, MAX_NAME_LENGTH);
  if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
});
const kinds = z
  .array(kind)
  .min(1)
  .max(MAX_MACHINE_KINDS)
  .refine((list) => new Set(list).size === list.length, "must not name a kind twice")
  .describe("Entities of these kinds run it. No other machine may name one of them.");
const definition = z.unknown().openapi({
  type: "object",
  description:
    "A statechart in the shape of an XState v5 config, with CEL where that has functions; its `id` is the machine's name. Expressions see `event`, `entity`, `context` and `now`; of a command `event.type` is its name, and `event.data` what it was sent with.",
});
const PutSchema = z.strictObject({ kinds, definition }).openapi("MachineChange");
const MachineSchema = z
  .object({
    name: z.string().openapi({ example: "door" }),
    version: z.int().describe("One more with each change; also the `ETag`, in quotes. 0 = built in."),
    builtIn: z.boolean(),
    kinds: z.array(z.string()).describe("Of the built-in one: none, it runs for all that no other names."),
    definition: z.record(z.string(), z.unknown()),
    changedAt: z.string().optional().openapi({ format: "date-time" }),
  })
  .openapi("Machine");

const Name = z.object({ name: z.string().max(MAX_NAME_LENGTH) });
const NEW_STATE =
  "Entities keep their state if the new version still has it; the others enter its initial state, and the event `machine.changed` says so.";

const ROUTES = [
  createRoute({
    method: "get",
    path: "/v1/machines",
    operationId: "listMachines",
    tags: ["Machines"],
    summary: "List machines",
    responses: {
      200: jsonAnswer(z.object({ machines: z.array(MachineSchema) }), "All of them, the built-in one first."),
      default: PROBLEM_RESPONSE,
    },
  }),
  createRoute({
    method: "get",
    path: "/v1/machines/{name}",
    operationId: "getMachine",
    tags: ["Machines"],
    summary: "One machine",
    request: { params: Name },
    responses: { 200: jsonAnswer(MachineSchema, "It."), default: PROBLEM_RESPONSE },
  }),
  createRoute({
    method: "put",
    path: "/v1/machines/{name}",
    operationId: "putMachine",
    tags: ["Machines"],
    summary: "Make a machine, or change it while entities run it",
    description: NEW_STATE,
    request: {
      params: Name,
      headers: IfMatchOrNone,
      body: { required: true, content: { [JSON_TYPE]: { schema: PutSchema } } },
    },
    responses: {
      200: jsonAnswer(MachineSchema, "Changed, or the same as before."),
      201: jsonAnswer(MachineSchema, "Made."),
      default: PROBLEM_RESPONSE,
    },
  }),
  createRoute({
    method: "delete",
    path: "/v1/machines/{name}",
    operationId: "deleteMachine",
    tags: ["Machines"],
    summary: "Remove a machine",
    description: `Its entities enter the initial state of \`${BUILT_IN}\`.`,
    request: { params: Name, headers: IfMatch },
    responses: { 204: { description: "It is gone." }, default: PROBLEM_RESPONSE },
  }),
];

export function machinesRoutes(app: OpenAPIHono, options: MachinesOptions, bodies: BodyBudget): void {
  const { store, versions, find, changed } = options;
  const one = "/v1/machines/:name";
  for (const route of ROUTES) app.openAPIRegistry.registerPath(route);

  app.get("/v1/machines", () =>
    Response.json({ machines: [builtIn(), ...versions().map(machineJson)] }, { headers: NO_STORE }),
  );
  app.get(one, (c) => {
    const name = c.req.param("name");
    if (name === BUILT_IN) return Response.json(builtIn(), { headers: NO_STORE });
    const found = find(name);
    return found === undefined ? unknown(name) : versionAnswer(machineJson(found));
  });
  app.put(
    one,
    changing(async (name, ifVersion, c) => {
      if (name === BUILT_IN) return refuseBuiltIn();
      const read = await readSmallJson(c.req.raw, bodies);
      if (read instanceof Response) return read;
      const body = PutSchema.safeParse(read.value);
      if (!body.success) return refuseInvalid(body.error, read.value);
      const draft = drafted(name, body.data.kinds, body.data.definition);
      if (draft instanceof Response) return draft;
      const change = await store.save(draft, ifVersion);
      if (change.is !== "saved" && change.is !== "unchanged") return refused(name, change, "machine-version");
      if (change.is === "saved") await changed();
      return versionAnswer(machineJson(change.version), change.is === "saved" && change.created ? 201 : 200);
    }),
  );
  app.delete(
    one,
    changing(async (name, ifVersion) => {
      if (name === BUILT_IN) return refuseBuiltIn();
      const change = await store.remove(name, ifVersion);
      if (change.is !== "saved" && change.is !== "unchanged")
        return refused(name, change, "machine-not-found");
      await changed();
      return new Response(null, { status: 204 });
    }),
  );
}

/** What is asked for, checked whole; or why it is none. */
function drafted(name: string, kinds: string[], written: unknown): MachineDraft | Response {
  const definition = isObject(written) && !Object.hasOwn(written, "id") ? { id: name, ...written } : written;
  try {
    const machine = compileMachine(parseMachine(definition));
    if (machine.id !== name)
      throw new MachineError("bad-name", "/id", `the \`id\` is the machine's name, ${JSON.stringify(name)}`);
    return {
      name,
      kinds,
      definition: definition as JsonObject,
      states: machine.states.length,
      timers: timersOf(machine),
    };
  } catch (error) {
    if (!(error instanceof MachineError)) throw error;
    const { code, path, message } = error;
    return problemResponse("invalid-machine", message, { members: { code, path } });
  }
}

/** @param absent when there is none: a PUT is bound to one then; a DELETE is told so whatever it is bound to (RFC 9110, 13.2.1). */
function refused(
  name: string,
  change: Exclude<MachineChange, { is: "saved" | "unchanged" }>,
  absent: "machine-version" | "machine-not-found",
): Response {
  switch (change.is) {
    case "other-version":
      if (change.version === undefined) return unknown(name, absent);
      return problemResponse("machine-version", `${name} has version ${change.version} now.`, {
        members: { version: change.version },
      });
    case "kind-taken":
      return problemResponse(
        "kind-taken",
        `Entities of the kind ${change.kind} run the machine ${change.by}.`,
      );
    case "too-many":
      return problemResponse(
        "too-many-machines",
        change.of === "machines"
          ? `There are ${MAX_MACHINES} already.`
          : `All versions of all machines together have at most ${MAX_MACHINE_STATES_KEPT} states.`,
      );
    default:
      return change satisfies never;
  }
}

function builtIn(): z.output<typeof MachineSchema> {
  return { name: BUILT_IN, version: 0, builtIn: true, kinds: [], definition: TRACKED_JSON };
}

function machineJson({ name, version, kinds, definition = {}, changedAt }: MachineVersion) {
  return {
    ...{ name, version, builtIn: false, kinds, definition },
    changedAt: new Date(changedAt).toISOString(),
  };
}

function refuseBuiltIn(): Response {
  return problemResponse("machine-built-in", `${BUILT_IN} is built in. Make another for the kinds you mean.`);
}

function unknown(name: string, type: ProblemType = "machine-not-found"): Response {
  const shown = JSON.stringify(name.slice(0, MAX_NAME_LENGTH));
  return problemResponse(type, `There is no machine ${shown}.`);
}
