/** What the collector of garbage does not take. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** How many of these are kept by somebody. */
export async function stillThere(all: readonly WeakRef<object>[]): Promise<number> {
  setFlagsFromString("--expose-gc");
  // A reference that was read stays until the end of its turn of the loop.
  await new Promise((resolve) => setImmediate(resolve));
  (runInNewContext("gc") as () => void)();
  return all.filter((one) => one.deref() !== undefined).length;
}
