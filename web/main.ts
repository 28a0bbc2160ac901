/** The live picture on a map. */
import "./style.css";
import "./playback.css";
import type { Map as MapLibreMap } from "maplibre-gl";
import { type Connection, connect } from "../client/connection.ts";
import { FRESH_MS } from "../client/freshness.ts";
import type { Entity } from "../client/replica.ts";
import type { View } from "../client/view.ts";
import type { Bbox } from "../src/transport/feed/protocol.ts";
import { hasPosition, readAddress, takeToken, writeAddress } from "./address.ts";
import { styleOf, themeOf } from "./basemap.ts";
import { ClusterPanel } from "./cluster-panel.ts";
import { type Details, DetailsPanel, type Gone } from "./details.ts";
import { watchFences } from "./fence-watch.ts";
import type { FenceFeature } from "./fences.ts";
import { connectFilterField } from "./filter-field.ts";
import { renderLegend, renderSuggestions } from "./legend.ts";
import { createMap } from "./map.ts";
import { PictureLayer } from "./picture-layer.ts";
import { PlaybackControl } from "./playback-control.ts";
import { Rest, Unauthorized } from "./rest.ts";
import { Shown } from "./shown.ts";
import { ageText, renderAge, renderStatus, statusOf } from "./status.ts";
import { bboxOf, extentOf } from "./viewport.ts";

/** Between two moves of the view while the map is dragged. */
const VIEW_UPDATE_MS = 150;
/** A click on a cluster shows it so much nearer: a quarter of the width. */
const CLUSTER_ZOOM = 2;
/** The legend counts, and ages grow, so often. */
const PANEL_MS = 500;

declare global {
  /** For tests and the curious: what the page works with. */
  var muster: { connection: Connection; view: View; map: MapLibreMap; fences: readonly FenceFeature[] };
}

const token = takeToken();
const rest = new Rest(token);

/** Where the map looks without a position in the address: at the selected entity, else at all (of many at the first), else at the world. */
async function findExtent(selected: Entity | undefined): Promise<Bbox | undefined> {
  if (hasPosition()) return undefined;
  if (selected !== undefined && Number.isFinite(selected.lon))
    return extentOf([[selected.lon, selected.lat]]);
  try {
    return extentOf(await rest.places());
  } catch (error) {
    if (error instanceof Unauthorized) throw error;
    console.warn(error);
    return undefined;
  }
}

async function start(): Promise<void> {
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  let selected = readAddress("entity");
  /** The selected entity as it was looked up or last seen, for when it is not in view. */
  let remembered = selected === undefined ? undefined : await rest.entity(selected);
  /** Why the selected entity left the view, if it did. */
  let gone: Gone | undefined;
  let missing = "";
  if (selected !== undefined && remembered === undefined) missing = "There is no entity with this id.";

  const map = createMap(themeOf(darkness.matches), await findExtent(remembered));
  const connection = connect(location.origin, { token });
  // No tolerance: the details tell what was reported and when, and zoomed in, 10 m are as long as a boat.
  const shown = new Shown(connection, mapBbox(map));
  globalThis.muster = {
    connection,
    map,
    fences: [],
    get view() {
      return shown.view;
    },
  };
  const picture = new PictureLayer(map, connection, shown, themeOf(darkness.matches));

  darkness.addEventListener("change", () => {
    const theme = themeOf(darkness.matches);
    picture.theme = theme;
    map.setStyle(styleOf(theme));
  });

  followMap(map, shown);
  showStatus(connection, shown);
  new PlaybackControl(shown, connection);
  connectFilterField(shown);
  showCluster(connection);
  showFences(map, picture);

  const panel = new DetailsPanel({
    close: () => select(undefined),
    signOff: async () => {
      try {
        const result = await connection.command(selected!, "sign-off");
        return result.accepted ? undefined : result.detail;
      } catch (error) {
        return (error as Error).message;
      }
    },
    show: () => {
      if (remembered !== undefined) centre(map, remembered);
    },
  });

  function renderPanels(): void {
    const { view } = shown;
    const inBox = view.inBox();
    renderLegend(inBox, view);
    if (document.activeElement?.id === "find-id") renderSuggestions(inBox);
    if (selected === undefined) return;
    const now = view.entities.get(selected);
    if (now !== undefined) remembered = now;
    const details: Details =
      remembered === undefined
        ? { id: selected, entity: undefined, reason: missing }
        : { id: selected, entity: remembered, inView: now !== undefined, gone };
    panel.render(details, view.isLive ? Date.now() : view.time, view.isLive);
  }

  function select(id: string | undefined, focus = true): void {
    selected = id;
    gone = undefined;
    picture.selected = id;
    writeAddress("entity", id);
    if (id === undefined) {
      remembered = undefined;
      panel.close();
      map.getCanvas().focus();
      return;
    }
    remembered = shown.view.entities.get(id);
    missing = "Looking it up …";
    renderPanels();
    panel.open(focus);
    if (remembered === undefined) void lookUp(id);
  }

  /** Finds what is not in view, and moves the map there. */
  async function lookUp(id: string): Promise<void> {
    let found: Entity | undefined;
    let reason = "There is no entity with this id.";
    try {
      found = await rest.entity(id);
    } catch (error) {
      reason = `It cannot be looked up: ${(error as Error).message}.`;
    }
    // Meanwhile another one may have been selected, which has a reason of its own.
    if (selected !== id || remembered !== undefined) return;
    missing = reason;
    remembered = found;
    renderPanels();
    if (found !== undefined && Number.isFinite(found.lon)) centre(map, found);
  }

  if (selected !== undefined) {
    picture.selected = selected;
    panel.open(false);
  }
  map.on("click", ({ point }) => {
    const picked = picture.pick(point.x, point.y);
    if (picked !== undefined && "cluster" in picked) {
      map.easeTo({ center: picked.cluster, zoom: map.getZoom() + CLUSTER_ZOOM });
      return;
    }
    select(picked?.id);
  });
  map.on("mousemove", ({ point }) => {
    map.getCanvas().style.cursor = picture.pick(point.x, point.y) === undefined ? "" : "pointer";
  });
  addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && selected !== undefined) select(undefined);
  });
  const find = document.querySelector<HTMLFormElement>("#find")!;
  const field = document.querySelector<HTMLInputElement>("#find-id")!;
  field.addEventListener("focus", () => renderSuggestions(shown.view.inBox()));
  find.addEventListener("submit", (event) => {
    event.preventDefault();
    const id = field.value.trim();
    if (id !== "") select(id);
  });
  setInterval(renderPanels, PANEL_MS);
  shown.on("state", renderPanels);
  shown.on("view", renderPanels);
  shown.on("change", ({ removed }) => {
    for (const [id, reason] of removed) if (id === selected) gone = reason;
  });
  renderPanels();
}

/** Moves the map to an entity; where the panel lies below, it comes to the middle of what is left. */
function centre(map: MapLibreMap, { lon, lat }: Entity): void {
  const { clientHeight, clientWidth } = document.querySelector<HTMLElement>("#details")!;
  const below = clientWidth > innerWidth / 2;
  map.easeTo({ center: [lon, lat], offset: [0, below ? -clientHeight / 2 : 0] });
}

function mapBbox(map: MapLibreMap): Bbox {
  const bounds = map.getBounds();
  return bboxOf(bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth());
}

/** What is shown follows the map while it moves, and is where it is when it rests. */
function followMap(map: MapLibreMap, shown: Shown): void {
  let due = false;
  const update = () => {
    due = false;
    const bbox = mapBbox(map);
    if (bbox.some((edge, i) => edge !== shown.bbox[i])) shown.update(bbox);
  };
  const soon = () => {
    if (!due) setTimeout(update, VIEW_UPDATE_MS);
    due = true;
  };
  map.on("move", soon);
  map.on("resize", soon);
}

function showStatus(connection: Connection, shown: Shown): void {
  let databaseAway = false;
  const show = () => {
    const { view } = shown;
    const old = view.isLive && view.age > FRESH_MS;
    renderStatus(statusOf(connection.state, view.state, databaseAway, old, !view.isLive));
    renderAge(view.isLive ? ageText(view.age, view.lag) : "");
  };
  connection.on("state", show);
  shown.on("state", show);
  shown.on("view", show);
  connection.on("heartbeat", ({ stale }) => {
    databaseAway = stale;
    show();
  });
  connection.on("problem", (problem) => console.warn(problem.message));
  setInterval(show, PANEL_MS);
  show();
}

/** Asked at each new connection: it may be to another node, or to one that has joined a cluster. */
function showCluster(connection: Connection): void {
  const panel = new ClusterPanel(() => rest.cluster());
  connection.on("state", ({ name }) => {
    if (name === "open") void panel.look();
  });
}

function showFences(map: MapLibreMap, picture: PictureLayer): void {
  const look = watchFences({
    ask: () => rest.fences(mapBbox(map)),
    show(fences) {
      picture.fences = globalThis.muster.fences = fences;
    },
    isSeen: () => !document.hidden,
    every: (ms, run) => setInterval(run, ms),
  });
  map.on("moveend", look);
}

start().catch((error) => {
  const reason = error instanceof Error ? error.message : String(error);
  renderStatus({ name: "closed", text: reason });
  // A missing token is the visitor's to mend, and the page says how.
  if (!(error instanceof Unauthorized)) throw error;
});
