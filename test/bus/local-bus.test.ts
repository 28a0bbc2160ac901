import t from "tap";
import { systemClock } from "../../src/clock.ts";
import { LocalBusHub } from "../../src/transport/bus/local-bus.ts";
import { configurationContract } from "./configuration.ts";
import { busContract, type OpenBus } from "./contract.ts";

const hub = new LocalBusHub(systemClock, { error: () => {} });

const open: OpenBus = async (t) => {
  const bus = hub.open();
  t.teardown(() => bus.close());
  return bus;
};
busContract(t, open);
configurationContract(t, open);
