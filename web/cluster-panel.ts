/** The panel about the cluster: its nodes, and a map of the shards. Not there while the node is alone. */
import type { ClusterStatus, NodeStatus } from "../src/cluster/status.ts";
import {
  doneText,
  lagText,
  NodeColours,
  nodeName,
  nodeNotes,
  shardsText,
  shardText,
  sortedNodes,
} from "./cluster-status.ts";
import { Forbidden } from "./rest.ts";

/** From an answer to the next question, while the panel is open. */
const ASK_MS = 2_000;

export class ClusterPanel {
  readonly #ask: () => Promise<ClusterStatus>;
  readonly #panel = document.querySelector<HTMLDetailsElement>("#cluster")!;
  readonly #colours = new NodeColours();
  #asking = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the last answer came. */
  #answered: number | undefined;

  constructor(ask: () => Promise<ClusterStatus>) {
    this.#ask = ask;
    this.#panel.addEventListener("toggle", () => {
      if (this.#panel.open) void this.look();
      else clearTimeout(this.#timer);
    });
  }

  /** Asks now, and goes on asking while the panel is open. */
  async look(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    clearTimeout(this.#timer);
    try {
      this.#show(await this.#ask());
    } catch (error) {
      this.#fail(error as Error);
    }
    this.#asking = false;
    if (this.#panel.open && !this.#panel.hidden) this.#timer = setTimeout(() => void this.look(), ASK_MS);
  }

  #show(status: ClusterStatus): void {
    this.#answered = Date.now();
    this.#panel.hidden = status.name === undefined;
    if (status.name === undefined) return;
    this.#panel.classList.remove("old");
    write("#cluster-problem", "");
    write(
      "#cluster-suspended",
      status.suspended ? "The node that answers stands still: it cannot renew its lease." : "",
    );
    write("#cluster-name", status.name);
    const nodes = sortedNodes(status);
    this.#colours.update(nodes);
    this.#showNodes(status, nodes);
    this.#showShards(status, nodes);
    write("#cluster-shards", shardsText(status));
    write("#cluster-done", doneText(status));
  }

  /** What was shown stays, and is told to be old. A node that never answered, or may not be asked, has no panel. */
  #fail(error: Error): void {
    if (error instanceof Forbidden) this.#panel.hidden = true;
    if (this.#answered === undefined) return;
    const age = Math.round((Date.now() - this.#answered) / 1_000);
    this.#panel.classList.add("old");
    write("#cluster-problem", `No answer: ${error.message}. This is as of ${age} s ago.`);
  }

  #showNodes(status: ClusterStatus, nodes: readonly NodeStatus[]): void {
    const rows = nodes.map((node) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      const swatch = element("span", "swatch", "");
      swatch.style.background = this.#colours.colourOf(node.incarnation) ?? "";
      const name = element("span", "name", nodeName(node.url));
      name.title = node.url;
      head.append(swatch, name, element("span", "notes", nodeNotes(node, status)));
      row.classList.toggle("trouble", node.silent || node.leaseLeftMs <= 0);
      row.append(head, element("td", "", String(node.shards)), element("td", "", lagText(node)));
      return row;
    });
    document.querySelector("#cluster-nodes tbody")!.replaceChildren(...rows);
  }

  #showShards({ shards }: ClusterStatus, nodes: NodeStatus[]): void {
    const map = document.querySelector<HTMLElement>("#cluster-map")!;
    while (map.childElementCount < shards.length) map.append(document.createElement("span"));
    for (const [number, shard] of shards.entries()) {
      const cell = map.children[number] as HTMLElement;
      cell.dataset.state = shard.state;
      cell.style.setProperty("--owner", this.#colours.colourOf(shard.owner) ?? "");
      cell.title = shardText(number, shard, nodes);
    }
    const owners = nodes.map(({ url, shards }) => `${nodeName(url)} ${shards}`);
    map.setAttribute("aria-label", `Shards by owner: ${owners.join(", ")}`);
  }
}

function element(tag: string, className: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Written only when it changes: some of it is read out. */
function write(selector: string, text: string): void {
  const found = document.querySelector(selector)!;
  if (found.textContent !== text) found.textContent = text;
}
