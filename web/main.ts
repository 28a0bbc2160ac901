/** The live picture on a map. */
import "./style.css";
import "./playback.css";
import type { Map as MapLibreMap } from "maplibre-gl";
import { type Connection, connect } from "../client/connection.ts";
import { FORBIDDEN, ProblemError } from "../client/errors.ts";
import { FRESH_MS } from "../client/freshness.ts";
import { PlaybackView } from "../client/playback-view.ts";
import type { Entity } from "../client/replica.ts";
import type { View } from "../client/view.ts";
import { type Bbox, CLOSE_CODES } from "../src/transport/feed/protocol.ts";
import { hasPosition, readAddress, readMoment, takeToken, writeAddress } from "./address.ts";
import { styleOf, themeOf } from "./basemap.ts";
import { ClusterPanel } from "./cluster-panel.ts";
import { canSignOff, DetailsPanel } from "./details.ts";
import { renderFenceName } from "./fence-name.ts";
import { watchFences } from "./fence-watch.ts";
import { type FenceFeature, fencesAt } from "./fences.ts";
import { connectFilterField } from "./filter-field.ts";
import { freeMiddle } from "./free-part.ts";
import { renderLegend, renderSuggestions } from "./legend.ts";
import { createMap, fit } from "./map.ts";
import { type Picked, PictureLayer } from "./picture-layer.ts";
import { PlaybackControl } from "./playback-control.ts";
import { Forbidden, Rest, Unauthorized } from "./rest.ts";
import { connectRetry } from "./retry.ts";
import { type Found, Selection } from "./selection.ts";
import { Shown } from "./shown.ts";
import { SignOffs } from "./sign-off.ts";
import { ageText, renderAge, renderStatus, renderWayIn, statusOf } from "./status.ts";
import { bboxOf, extentOf } from "./viewport.ts";

/** What the map first shows is asked for so long: then it is there without. */
const OPENING_MS = 5_000;
/** Somebody waits for the map: a node that is there again is found within that. */
const RECONNECT_MS = 5_000;
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
async function findExtent(selected: Entity | undefined, signal: AbortSignal): Promise<Bbox | undefined> {
  if (hasPosition()) return undefined;
  if (selected !== undefined && Number.isFinite(selected.lon))
    return extentOf([[selected.lon, selected.lat]]);
  return await findAll(signal);
}

async function findAll(signal: AbortSignal): Promise<Bbox | undefined> {
  try {
    return extentOf(await rest.places(signal));
  } catch (error) {
    if (error instanceof Unauthorized) throw error;
    if (!(error instanceof Forbidden)) console.warn(error);
    return undefined;
  }
}

/** What the address selects, at the time that it names. What cannot be told keeps nobody from the page: it is looked up again there. */
async function findSelected(id: string, signal: AbortSignal): Promise<Found | undefined> {
  const at = readMoment();
  try {
    return { at, entity: await rest.entity(id, at, signal) };
  } catch (error) {
    if (error instanceof Unauthorized) throw error;
    return undefined;
  }
}

async function start(): Promise<void> {
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  const selected = readAddress("entity");
  const opening = AbortSignal.timeout(OPENING_MS);
  const found = selected === undefined ? undefined : await findSelected(selected, opening);
  const isPlaced = hasPosition();

  const extent = await findExtent(found?.entity, opening);
  const map = createMap(themeOf(darkness.matches), extent);
  const connection = connect(location.origin, { token, reconnect: { maxMs: RECONNECT_MS } });
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
  if (extent === undefined && !isPlaced) fitOnceAllowed(map, shown);
  showStatus(connection, shown, picture);
  connectRetry(connection);
  new PlaybackControl(shown, connection);
  connectFilterField(shown);
  showCluster(connection);
  showFences(map, picture, shown);

  const selection = new Selection(shown, rest, {
    changed: () => renderPanels(),
    // Beside the panel, which is there only then.
    found: (entity) => requestAnimationFrame(() => centre(map, entity)),
  });
  const signOffs = new SignOffs(
    (id) => connection.command(id, "sign-off"),
    renderPanels,
    (id) => selection.outdate(id),
  );
  const panel = new DetailsPanel({
    close: () => select(undefined),
    signOff: () => void signOffs.ask(selection.id!),
    show: () => {
      selection.show();
      renderPanels();
    },
  });

  function renderPanels(): void {
    const { view } = shown;
    const inBox = view.inBox();
    renderLegend(inBox, view);
    if (document.activeElement?.id === "find-id") renderSuggestions(inBox);
    const now = connection.serverNow();
    const details = selection.details(now);
    if (details === undefined) return;
    picture.grouped =
      details.entity !== undefined && details.sight === "grouped" ? details.entity : undefined;
    const { id, at, entity } = details;
    // What was is asked nothing.
    const isNow = at === undefined && entity !== undefined;
    const isOffered = isNow && canSignOff(entity) && !signOffs.isForbidden(id);
    if (isNow) signOffs.seen(id, isOffered);
    panel.render(details, now, signOffs.told(id, connection.state.name, isOffered), isOffered);
  }

  function select(id: string | undefined, isSought = false): void {
    if (selection.id !== undefined && selection.id !== id) signOffs.read(selection.id);
    if (id !== undefined && isSought) selection.seek(id);
    else selection.select(id);
    picture.selected = id;
    writeAddress("entity", id);
    if (id === undefined) {
      panel.close();
      map.getCanvas().focus();
      return;
    }
    renderPanels();
    panel.open(true);
  }

  function pointAt(picked: Picked | undefined, point: { x: number; y: number }): void {
    renderFenceName(picked !== undefined && "fence" in picked ? picked.fence : undefined, point);
  }

  if (selected !== undefined) {
    if (found === undefined && !isPlaced) selection.seek(selected);
    else selection.select(selected, found);
    picture.selected = selected;
    renderPanels();
    panel.open(false);
    if (!isPlaced && found?.entity !== undefined) centre(map, found.entity, false);
  }
  map.on("click", ({ point }) => {
    const picked = picture.pick(point.x, point.y);
    if (picked !== undefined && "cluster" in picked) {
      map.easeTo({ center: picked.cluster, zoom: map.getZoom() + CLUSTER_ZOOM });
      return;
    }
    pointAt(picked, point);
    select(picked !== undefined && "id" in picked ? picked.id : undefined);
  });
  map.on("mousemove", ({ point }) => {
    const picked = picture.pick(point.x, point.y);
    map.getCanvas().style.cursor = picked === undefined || "fence" in picked ? "" : "pointer";
    pointAt(picked, point);
  });
  map.on("movestart", ({ originalEvent }) => {
    if (originalEvent !== undefined) selection.forgo();
  });
  for (const end of ["mouseout", "movestart"] as const)
    map.on(end, () => renderFenceName(undefined, { x: 0, y: 0 }));
  addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && selection.id !== undefined) select(undefined);
  });
  const find = document.querySelector<HTMLFormElement>("#find")!;
  const field = document.querySelector<HTMLInputElement>("#find-id")!;
  field.addEventListener("focus", () => renderSuggestions(shown.view.inBox()));
  find.addEventListener("submit", (event) => {
    event.preventDefault();
    const id = field.value.trim();
    if (id !== "") select(id, true);
  });
  setInterval(renderPanels, PANEL_MS);
  connection.on("state", renderPanels);
  shown.on("state", renderPanels);
  shown.on("view", renderPanels);
  shown.on("asked", renderPanels);
  shown.on("change", ({ removed }) => selection.removed(removed));
  renderPanels();
}

/** Moves the map so that an entity is in the middle of what the panels leave free of it. */
function centre(map: MapLibreMap, { lon, lat }: Entity, animate = true): void {
  if (!Number.isFinite(lon)) return;
  const panels = [...document.querySelectorAll("#legend, #details:not([hidden]), #playback")];
  const size = { width: innerWidth, height: innerHeight };
  const offset = freeMiddle(
    size,
    panels.map((panel) => panel.getBoundingClientRect()),
  );
  map.easeTo({ center: [lon, lat], offset, animate });
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

/** Who was not allowed to see entities, and is, is shown all of them as at the start, unless the map looks elsewhere by then. */
function fitOnceAllowed(map: MapLibreMap, shown: Shown): void {
  const place = () => `${map.getZoom()} ${map.getCenter()}`;
  const first = place();
  let wasForbidden = false;
  shown.on("state", () => {
    wasForbidden ||= shown.isForbidden;
  });
  shown.on("view", async () => {
    if (!wasForbidden) return;
    wasForbidden = false;
    // Without a token there is nothing to look at, and the lamp says so.
    const extent = await findAll(AbortSignal.timeout(OPENING_MS)).catch(() => undefined);
    if (extent !== undefined && place() === first) fit(map, extent);
  });
}

function showStatus(connection: Connection, shown: Shown, picture: PictureLayer): void {
  let databaseAway = false;
  const show = () => {
    const { view } = shown;
    const old = view.isLive && view.age > FRESH_MS;
    const past = view instanceof PlaybackView ? view.playback : undefined;
    const { state } = connection;
    renderStatus(statusOf(state, view.state, databaseAway, old, past, picture.isLost, shown.isForbidden));
    const isRefused = state.name === "closed" && state.code === CLOSE_CODES.unauthorized.code;
    renderWayIn(isRefused);
    if (isRefused) rest.refuse();
    renderAge(view.isLive ? ageText(view.age, view.lag) : "");
  };
  connection.on("state", show);
  shown.on("state", show);
  shown.on("view", show);
  shown.on("asked", show);
  connection.on("heartbeat", ({ stale }) => {
    databaseAway = stale;
    show();
  });
  connection.on("problem", (problem) => {
    // The lamp says it.
    if (!(problem instanceof ProblemError) || problem.type !== FORBIDDEN) console.warn(problem.message);
  });
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

/** What was shows no fence that was made later. */
function showFences(map: MapLibreMap, picture: PictureLayer, shown: Shown): void {
  let all: readonly FenceFeature[] = [];
  let drawn: readonly FenceFeature[] = [];
  const draw = () => {
    const fences = fencesAt(all, shown.view.isLive ? undefined : shown.view.time);
    if (fences.length === drawn.length && fences.every((fence, i) => fence === drawn[i])) return;
    picture.fences = globalThis.muster.fences = drawn = fences;
  };
  const look = watchFences({
    ask: (known, signal) => rest.fences(mapBbox(map), known, signal),
    show(fences) {
      all = fences;
      draw();
    },
    isSeen: () => !document.hidden,
    every: (ms, run) => setInterval(run, ms),
  });
  map.on("moveend", look);
  document.addEventListener("visibilitychange", look);
  shown.on("view", draw);
  shown.on("asked", draw);
  shown.on("change", draw);
}

start().catch((error) => {
  const reason = error instanceof Error ? error.message : String(error);
  renderStatus({ name: "closed", text: reason });
  renderWayIn(error instanceof Unauthorized);
  // A missing token is the visitor's to mend, and the page says how.
  if (!(error instanceof Unauthorized)) throw error;
});
