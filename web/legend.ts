import { PlaybackView } from "../client/playback-view.ts";
import type { Entity } from "../client/replica.ts";
import type { View } from "../client/view.ts";
import { countClusters } from "./clusters.ts";
import { colourOf, css } from "./palette.ts";

/** Kinds that have a line of their own; the rest is summed up. */
const MAX_KINDS = 12;
/** Ids offered while typing. */
const MAX_SUGGESTIONS = 1_000;

/** Kinds with their numbers, the most frequent first, and what does not fit as one line without a kind. */
export function countKinds(
  entities: readonly Pick<Entity, "kind">[],
  limit = MAX_KINDS,
): { kind: string | undefined; count: number }[] {
  const counts = new Map<string, number>();
  for (const { kind } of entities) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const sorted = [...counts]
    .map(([kind, count]) => ({ kind, count }))
    .sort((a, b) => b.count - a.count || (a.kind < b.kind ? -1 : 1));
  const rest = sorted.slice(limit).reduce((sum, { count }) => sum + count, 0);
  return rest === 0 ? sorted : [...sorted.slice(0, limit), { kind: undefined, count: rest }];
}

/** How many are in the box of the view; undefined while nobody knows: what is not there yet, or cannot be told, is not none. */
export function countInView(entities: readonly Entity[], view: View): number | undefined {
  const { clusters, bbox } = view;
  const total = entities.length + (bbox === undefined ? 0 : countClusters(clusters, bbox));
  if (total > 0) return total;
  const playback = view instanceof PlaybackView ? view.playback : undefined;
  const isTold = playback === undefined || !["loading", "crowded", "unavailable"].includes(playback);
  return isTold && !["loading", "failed", "closed"].includes(view.state) ? 0 : undefined;
}

/** @param entities those in the box of the view */
export function renderLegend(entities: readonly Entity[], view: View): void {
  const { clusters } = view;
  const total = countInView(entities, view);
  const count = document.querySelector<HTMLOutputElement>("#count")!;
  count.value = total?.toLocaleString() ?? "–";
  count.dataset.count = String(total ?? "");
  document.querySelector<HTMLElement>("#clustered")!.hidden = clusters.length === 0;
  const lines = countKinds(entities).map(({ kind, count }) => {
    const line = document.createElement("li");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    if (kind !== undefined) swatch.style.background = css(colourOf(kind));
    const name = document.createElement("span");
    name.textContent = kind ?? "others";
    const number = document.createElement("span");
    number.className = "number";
    number.textContent = count.toLocaleString();
    line.append(swatch, name, number);
    return line;
  });
  document.querySelector("#kinds")!.replaceChildren(...lines);
}

/** Offers the ids in view. Only while the field has the focus: it is many nodes. */
export function renderSuggestions(entities: readonly Entity[]): void {
  const options = entities
    .slice(0, MAX_SUGGESTIONS)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id }) => {
      const option = document.createElement("option");
      option.value = id;
      return option;
    });
  document.querySelector("#ids")!.replaceChildren(...options);
}
