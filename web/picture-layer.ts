import { MapLibreOverlay } from "@deck.gl/maplibre";
import type { Map as MapLibreMap } from "maplibre-gl";
import type { Connection } from "../client/connection.ts";
import type { Entity } from "../client/replica.ts";
import type { ClusterCell } from "../src/transport/feed/protocol.ts";
import type { Theme } from "./basemap.ts";
import { type FenceFeature, fenceLayers, type Outlines, outlinesOf, PICKABLE_FENCES } from "./fences.ts";
import { drawIcons, type IconAtlas } from "./icons.ts";
import { layersOf, type Mark, markOf, PICKABLE } from "./layers.ts";
import { Moving } from "./moving.ts";
import type { Shown } from "./shown.ts";

/** Entities beyond which nothing moves but by reports: moving each of them in each frame would take the whole frame. */
const MAX_MOVING = 5_000;
/** Between two frames while something moves: 30 a second are smooth at the speeds that ships and trucks have on a screen. */
const FRAME_MS = 33;
/** A finger and a mouse are not exact. */
const PICK_RADIUS_PX = 8;

/** What is under a pointer: an entity, a cluster around a place, or the outline or the name of a fence. */
export type Picked = { id: string } | { cluster: [lon: number, lat: number] } | { fence: string };

/**
 * Draws the replica of the view that is shown on a map: again when it has changed, and while something moves. It is *loading* until the overlay has a
 * WebGL context, then *drawn*; *lost* with that context, until the browser gives contexts again and a new overlay is there: one that has lost its own
 * does not come back.
 */
export class PictureLayer {
  readonly #map: MapLibreMap;
  readonly #shown: Shown;
  #overlay!: MapLibreOverlay;
  /** The canvas that was lost is to tell when there are contexts again, and nobody else holds it. */
  #state: { name: "loading" | "drawn" } | { name: "lost"; canvas: HTMLCanvasElement } = { name: "loading" };
  #icons: IconAtlas;
  readonly #moving: Moving;
  readonly #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #theme: Theme;
  #selected: string | undefined;
  #grouped: Entity | undefined;
  /** Absent = there are no fences. */
  #outlines: Outlines | undefined;
  #drawnAt = 0;
  #scheduled = false;

  constructor(map: MapLibreMap, connection: Connection, shown: Shown, theme: Theme) {
    this.#map = map;
    this.#shown = shown;
    this.#moving = new Moving(connection, shown, () => this.#smooth);
    this.#theme = theme;
    this.#icons = drawIcons(theme);
    this.#addOverlay();
    map.on("zoomend", () => this.redraw());
    shown.on("view", () => this.redraw());
    shown.on("change", () => this.redraw());
  }

  /** Whether nothing can be drawn, and the map lacks what is there. */
  get isLost(): boolean {
    return this.#state.name === "lost";
  }

  set theme(theme: Theme) {
    if (theme !== this.#theme) this.#icons = drawIcons(theme);
    this.#theme = theme;
    this.redraw();
  }
  set selected(id: string | undefined) {
    this.#selected = id;
    this.#grouped = undefined;
    this.redraw();
  }
  /** The selected one, while the view shows clusters in place of it. */
  set grouped(entity: Entity | undefined) {
    if (entity === this.#grouped) return;
    this.#grouped = entity;
    this.redraw();
  }

  set fences(fences: readonly FenceFeature[]) {
    this.#outlines = fences.length === 0 ? undefined : outlinesOf(fences);
    this.redraw();
  }

  /** What is at a point of the map's element, in pixels. */
  pick(x: number, y: number): Picked | undefined {
    if (this.#state.name !== "drawn") return undefined;
    const found = this.#overlay.pickObject({ x, y, radius: PICK_RADIUS_PX, layerIds: PICKABLE })?.object as
      | Mark
      | ClusterCell
      | undefined;
    if (found === undefined) return this.#pickFence(x, y);
    return "id" in found ? { id: found.id } : { cluster: [found[0], found[1]] };
  }

  /** Only where there is nothing else: an outline may be nearer than what is at it. */
  #pickFence(x: number, y: number): Picked | undefined {
    if (this.#outlines === undefined) return undefined;
    const found = this.#overlay.pickObject({ x, y, radius: PICK_RADIUS_PX, layerIds: PICKABLE_FENCES });
    return found?.object && { fence: found.object.name };
  }

  /** Draws with the next frame of the screen. */
  redraw(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame((now) => this.#frame(now));
  }

  #frame(now: number): void {
    this.#scheduled = false;
    if (now - this.#drawnAt < FRAME_MS) {
      this.redraw();
      return;
    }
    this.#drawnAt = now;
    if (this.isLost) return;
    const smooth = this.#smooth;
    let moving = false;
    const marks: Mark[] = [];
    let selected: Mark | undefined;
    for (const entity of this.#shown.view.entities.values()) {
      const shown = smooth ? this.#moving.at(entity.id, now) : undefined;
      if (shown?.moving) moving = true;
      const mark = markOf(entity, shown?.position ?? [entity.lon, entity.lat]);
      marks.push(mark);
      if (entity.id === this.#selected) selected = mark;
    }
    const { clusters } = this.#shown.view;
    if (this.#grouped !== undefined && clusters.length > 0) {
      selected = markOf(this.#grouped, [this.#grouped.lon, this.#grouped.lat]);
      marks.push(selected);
    }
    const { icons, theme, zoom } = { icons: this.#icons, theme: this.#theme, zoom: this.#map.getZoom() };
    const below = this.#outlines === undefined ? [] : fenceLayers(this.#outlines, theme, zoom);
    const layers = [...below, ...layersOf({ marks, selected, clusters, theme, icons, zoom })];
    this.#overlay.setProps({ layers });
    if (moving) this.redraw();
  }

  #addOverlay(): void {
    const overlay = new MapLibreOverlay({ layers: [], onLoad: () => this.#loaded(overlay.getCanvas()!) });
    this.#overlay = overlay;
    this.#map.addControl(overlay);
  }

  #loaded(canvas: HTMLCanvasElement): void {
    // The canvas above the map takes no keys, and would be a stop without a name.
    canvas.tabIndex = -1;
    const lost = (event: Event) => {
      // Else the browser would not tell when there are contexts again.
      event.preventDefault();
      this.#state = { name: "lost", canvas };
      this.#map.removeControl(this.#overlay);
    };
    canvas.addEventListener("webglcontextlost", lost, { once: true });
    canvas.addEventListener("webglcontextrestored", () => this.#addOverlay(), { once: true });
    this.#state = { name: "drawn" };
    this.redraw();
  }

  get #smooth(): boolean {
    return !this.#calm.matches && this.#shown.view.entities.size <= MAX_MOVING;
  }
}
