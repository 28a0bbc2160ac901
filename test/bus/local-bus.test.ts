import t from "tap";
import { systemClock } from "../../src/clock.ts";
import { LocalBusHub } from "../../src/transport/bus/local-bus.ts";
import { busContract } from "./contract.ts";

const hub = new LocalBusHub(systemClock, { error: () => {} });

busContract(t, async (t) => {
  const bus = hub.open();
  t.teardown(() => bus.close());
  return bus;
});
