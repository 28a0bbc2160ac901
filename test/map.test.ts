// The tests of the folder of this name, in one process, with one browser.
import t from "tap";
import { together } from "./support/together.ts";

await together("map");
// As those of `browser.test.ts`, which took too long in one process.
t.setTimeout(600_000);
