// The tests of the event log and of webhooks, in one process.
import { together } from "./support/together.ts";

await together("events");
await together("webhooks");
