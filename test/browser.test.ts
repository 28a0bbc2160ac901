// The tests of the folder of this name, in one process, with one browser.
import t from "tap";
import { together } from "./support/together.ts";

await together("browser");
// Software rendering on a busy machine takes its time.
t.setTimeout(600_000);
