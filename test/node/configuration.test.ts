// A part of the configuration that a node holds, read from an authority that the test has in its hands.
import t from "tap";
import { StoreAway } from "../../src/actors/ports.ts";
import { Configuration } from "../../src/configuration.ts";
import { CONFIGURATION_LOOK_MS } from "../../src/limits.ts";
import { FakeClock } from "../support/fake-clock.ts";

function held() {
  const clock = new FakeClock();
  const authority = { value: 1, fault: undefined as Error | undefined };
  const fatal: unknown[] = [];
  const state = { value: 0, reads: 0, underWay: 0, mostAtOnce: 0 };
  const configuration = new Configuration({
    async read() {
      state.reads++;
      state.mostAtOnce = Math.max(state.mostAtOnce, ++state.underWay);
      const { value, fault } = authority;
      await new Promise<void>((resolve) => clock.schedule(10, resolve));
      state.underWay--;
      if (fault !== undefined) throw fault;
      state.value = value;
    },
    clock,
    onFatal: (error) => fatal.push(error),
  });
  return { clock, authority, fatal, state, configuration };
}

async function started() {
  const one = held();
  const start = one.configuration.start();
  await one.clock.advance(10);
  await start;
  return one;
}

t.test("[X20] it is read at the start, when something is heard, and again and again", async (t) => {
  const { clock, authority, state, configuration } = await started();
  t.equal(state.value, 1);
  authority.value = 2;
  configuration.look();
  await clock.advance(20);
  t.equal(state.value, 2, "heard");
  authority.value = 3;
  await clock.advance(CONFIGURATION_LOOK_MS);
  t.equal(state.value, 3, "not heard");
  configuration.stop();
  const { reads } = state;
  configuration.look();
  await clock.advance(3 * CONFIGURATION_LOOK_MS);
  t.equal(state.reads, reads);
});

t.test("[X20] a read that is asked for begins after that, one at a time, one for all who wait", async (t) => {
  const { clock, authority, state, configuration } = await started();
  configuration.look();
  await clock.advance(5);
  authority.value = 2;
  const asked = [configuration.refresh(), configuration.refresh(), configuration.refresh()];
  const { reads } = state;
  await clock.advance(30);
  await Promise.all(asked);
  t.equal(state.value, 2, "not what the read under way saw");
  t.equal(state.reads, reads + 1);
  t.equal(state.mostAtOnce, 1);
});

t.test("[X20] a database that is away is looked at again; what cannot be mended is told", async (t) => {
  const { clock, authority, fatal, state, configuration } = await started();
  authority.fault = new StoreAway("away");
  authority.value = 2;
  const refused = t.rejects(configuration.refresh(), StoreAway);
  await clock.advance(20);
  await refused;
  configuration.look();
  await clock.advance(20);
  t.same([state.value, fatal], [1, []]);
  authority.fault = undefined;
  await clock.advance(CONFIGURATION_LOOK_MS + 10);
  t.equal(state.value, 2);
  authority.fault = new Error("of a newer program");
  configuration.look();
  await clock.advance(20);
  t.same(fatal, [authority.fault]);
});
