import type { FilterTime } from "../picture/filter-time.ts";
import type { EventEncoder } from "./cloud-event.ts";
import type { EventLog } from "./ports.ts";
import type { EventTail } from "./tail.ts";

/** What those who serve events to clients need. */
export interface EventAccess {
  readonly log: EventLog;
  readonly tail: EventTail;
  readonly encoder: EventEncoder;
  /** What filters are measured with. */
  readonly filterTime: FilterTime;
}
