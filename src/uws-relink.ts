/** `npm run uws:relink`: makes the copy of uWebSockets.js's binary that loads on an older glibc, and says where it is or why there is none. */
import { makeRelinkedCopy, RelinkRefused } from "./transport/server/relink-uws.ts";

try {
  console.log(`The copy is ${makeRelinkedCopy()}`);
} catch (error) {
  if (!(error instanceof RelinkRefused)) throw error;
  console.error(`uws:relink: ${error.message}`);
  process.exitCode = 1;
}
