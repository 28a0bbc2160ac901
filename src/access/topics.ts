/** What `where` of grants may speak of: the principal, and what it is about. */
import type { Environment } from "@marcbachmann/cel-js";
import { EntityView } from "../actors/machine/scope.ts";
import { EVENT, eventEnvironment } from "../events/filter.ts";
import { celEnvironment, ENTITY, type Topic, typedEnvironment } from "../picture/cel.ts";
import type { Resource } from "./ports.ts";

/** A report as expressions see it: what it says of itself. Empty = it does not say. */
export class ReportScope {
  id = "";
  kind = "";
  source = "";
}

const REPORT_FIELDS = { id: "string", kind: "string", source: "string" };
const REPORT: Topic = { variable: "report", members: new Map(Object.entries(REPORT_FIELDS)), time: "t" };

/** CEL knows the type by the class; nothing is ever evaluated with it: it is bound first. */
class PrincipalScope {}
const PRINCIPAL_FIELDS = { id: "string", name: "string", roles: "list<string>", attributes: "map" };

export interface GrantTopic {
  topic: Topic;
  /** With the variable of the topic alone. */
  environment: Environment;
  /** With `principal` too. */
  withPrincipal: Environment;
}

function topicOf(topic: Topic, make: () => Environment): GrantTopic {
  const withPrincipal = make()
    .registerType("Principal", { ctor: PrincipalScope as never, fields: PRINCIPAL_FIELDS })
    .registerVariable("principal", "Principal");
  return { topic, environment: make(), withPrincipal };
}

/** Of each resource whose grants may have `where`. */
export const TOPICS: Readonly<Partial<Record<Resource, GrantTopic>>> = {
  entity: topicOf(ENTITY, () => celEnvironment(EntityView).registerVariable("entity", "Entity")),
  event: topicOf(EVENT, eventEnvironment),
  report: topicOf(REPORT, () =>
    typedEnvironment("Report", ReportScope, REPORT_FIELDS).registerVariable("report", "Report"),
  ),
};
