// The words of the cluster panel, without a browser.
import t from "tap";
import type { ClusterStatus } from "../../src/cluster/status.ts";
import {
  doneText,
  lagText,
  NodeColours,
  nodeName,
  nodeNotes,
  shardsText,
  shardText,
  sortedNodes,
} from "../../web/cluster-status.ts";
import { madeUpStatus } from "../browser/made-up-status.ts";

t.test("[W15] nodes are in order of their addresses, with what is to be said of each", async (t) => {
  const status = madeUpStatus();
  const nodes = sortedNodes(status);
  t.strictSame(
    nodes.map(({ url }) => nodeName(url)),
    ["10.0.0.9:8080", "10.0.0.10:8080", "10.0.0.11:8080"],
    "by number",
  );
  t.strictSame(
    nodes.map((node) => nodeNotes(node, status)),
    ["answers, version 0.2.0", "version 0.2.0, leaving", "version 0.1.0, silent, lease run out"],
  );
  t.strictSame(nodes.map(lagText), ["–", "1,234 ms", "–"]);
  t.equal(nodeName("not a URL"), "not a URL");
});

t.test("[W15] shards are told by owner, those on their way and free ones by number", async (t) => {
  const status = madeUpStatus();
  t.equal(
    shardsText(status),
    "256 shards, 2 on their way (100, 101), 10 free (0, 1, 2, 3, 4, 5, 6, 7 and 2 more)",
  );
  const open: ClusterStatus = { ...status, shards: [{ owner: "a", epoch: 1, state: "open" }] };
  t.equal(shardsText(open), "1 shards, all open");
  const text = (shard: number) => shardText(shard, status.shards[shard], status.nodes);
  t.equal(text(0), "shard 0: free, epoch 2");
  t.equal(text(20), "shard 20: of 10.0.0.9:8080, epoch 3");
  t.equal(text(100), "shard 100: of 10.0.0.10:8080, on its way, epoch 3");
  t.equal(text(255), "shard 255: of a node that is gone, epoch 3");
});

t.test("[W15] it tells what the answering node did", async (t) => {
  const status = madeUpStatus();
  t.equal(doneText(status), "Handed over 12, 99 % within 240 ms; claimed 98; evicted 1 node");
  t.equal(
    doneText({ ...status, handOvers: { count: 0 }, evictions: 0 }),
    "Handed over 0; claimed 98; evicted 0 nodes",
  );
});

t.test("[W15] a node keeps its colour when it starts again", async (t) => {
  const { nodes } = madeUpStatus();
  const [b, c, a] = nodes;
  const colours = new NodeColours();
  colours.update([a, b]);
  const [ofA, ofB] = [colours.colourOf("a"), colours.colourOf("b")];
  t.not(ofA, ofB);
  colours.update([b, { ...a, incarnation: "a2" }]);
  t.strictSame([colours.colourOf("a2"), colours.colourOf("b"), colours.colourOf("a")], [ofA, ofB, undefined]);
  colours.update([b, { ...a, incarnation: "a2" }, { ...c, url: a.url }]);
  t.equal(
    new Set(["a2", "b", "c"].map((node) => colours.colourOf(node))).size,
    3,
    "two may have one address",
  );
  t.equal(colours.colourOf(undefined), undefined);
});
