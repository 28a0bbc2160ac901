/** A verdict as people read it: a line for each violation, with the numbers of the events that show it. */
import { VIOLATIONS, type ViolationName } from "./history.ts";
import type { Verdict } from "./judge.ts";

export function verdictLines({ events, violations, counts }: Verdict): string[] {
  if (violations.length === 0) return [`${events} events, no violation`];
  const lines = violations.map(({ rule, text, events }) => `${rule}: ${text} [events ${events.join(", ")}]`);
  for (const [rule, count] of counts) {
    const shown = violations.filter((violation) => violation.rule === rule).length;
    const rest = count > shown ? `, ${count - shown} of them not shown` : "";
    lines.push(`${count} × ${rule}: ${VIOLATIONS[rule as ViolationName]}${rest}`);
  }
  return lines;
}
