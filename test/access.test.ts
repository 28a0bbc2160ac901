// The tests of the folder of this name, in one process.
import { together } from "./support/together.ts";

await together("access");
