// The benchmarks of many: connections, entities, other servers. In their small size, as in bench.test.ts.
import t from "tap";
import { loadOrRelinkUws } from "../src/transport/server/load-uws.ts";
import { looksRight, small } from "./support/bench.ts";

const late = small(t, "latency");
const connected = small(t, "connections");

t.test("[B7] latency, small: what viewers get is as old as it is", async (t) => {
  const figures = looksRight(t, await late);
  t.ok(figures.measured_reports > 500);
  t.ok(figures.viewer_p50_ms > 0 && figures.viewer_p99_ms >= figures.viewer_p50_ms);
  t.ok(figures.viewer_max_ms >= figures.viewer_p99_ms);
  t.equal(figures.skipped_frames, 0);
});

t.test("[B9] connections, small: on each server that loads", async (t) => {
  const figures = looksRight(t, await connected);
  t.equal(figures.connections, 300);
  t.type(figures.bytes_per_connection, "number");
  if (loadOrRelinkUws().uws !== undefined) t.type(figures.ws_bytes_per_connection, "number");
});

t.test("[B10] clusters, small: every viewer gets cells once a second", async (t) => {
  const figures = looksRight(t, await small(t, "clusters"));
  t.ok(figures.cluster_cells_per_viewer > 10);
  t.ok(figures.cluster_bytes_per_s > 0 && figures.cluster_json_bytes_per_s > figures.cluster_bytes_per_s);
  t.equal(figures.cluster_frames, 2 * figures.viewers);
});

t.test("[B11] peers, small: all that a peer sends arrives, and one that is not there is named", async (t) => {
  const ran = await small(t, "peers");
  const figures = looksRight(t, ran);
  for (const name of ["ws", "socketio", "socketio_batched", "nats", "nats_batched"]) {
    if (ran.output.includes(`${name} is left out`)) t.comment(`${name} is not installed`);
    else t.ok(figures[`${name}_delivered_per_cpu_s`] > 0 && figures[`muster_to_${name}_ratio`] > 0, name);
  }
});
