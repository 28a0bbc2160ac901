/** What is permitted of entities, over their records: of those that another node has. */
import { EntityView } from "../actors/machine/scope.ts";
import { isTrue, parseFilter } from "../picture/cel.ts";
import { celValue } from "../picture/cel-value.ts";
import type { EntityRecord } from "../picture/record.ts";
import type { Permitted } from "./ports.ts";
import { TOPICS } from "./topics.ts";

export function permittedRecord(permitted: Permitted): (record: EntityRecord) => boolean {
  if (permitted === "all") return () => true;
  const { topic, environment } = TOPICS.entity!;
  const parsed = permitted.map((where) => parseFilter(environment, where, topic, true));
  const entity = new EntityView();
  const variables = { entity };
  return (record) => {
    const { lon = null, lat = null, alt = null, speed = null, course = null, heading = null } = record;
    const { accuracy = null, attributes } = record;
    entity.source = {
      ...record,
      ...{ lon, lat, alt, speed, course, heading, accuracy },
      t: Date.parse(record.t),
      attributes: celValue(attributes),
    };
    return parsed.some((one) => isTrue(one, variables));
  };
}
