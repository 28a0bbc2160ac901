import type { Change, Entity } from "../client/replica.ts";
import { colourOf, css } from "./palette.ts";
import { localText, utcText } from "./played-time.ts";
import type { SignOffTold } from "./sign-off.ts";

/** `5 s`, `3 min`, `2 h`, `4 d`: the largest whole unit. A time ahead of this clock is 0 s. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** `59.72499° N 24.73665° E`: five digits are about a metre. */
export function formatPlace(lon: number, lat: number): string {
  const part = (value: number, plus: string, minus: string) =>
    `${Math.abs(value).toFixed(5)}° ${value < 0 ? minus : plus}`;
  return `${part(lat, "N", "S")} ${part(lon, "E", "W")}`;
}

/** A clock may be so much behind. */
const MAX_AHEAD_MS = 60_000;

/** A name and a text. */
type Field = [name: string, text: string];

/** Every field that an entity has but its attributes, as name and text, in the order in which one asks. Times have ages at `now`, Unix ms. @param isPast `now` is the moment that is shown */
export function fieldsOf(entity: Entity, now: number, isPast = false): Field[] {
  const fields: Field[] = [];
  const add = (name: string, value: unknown, unit = "") => {
    if (value !== undefined) fields.push([name, `${value}${unit}`]);
  };
  const time = (value: string) => {
    const age = now - Date.parse(value);
    // What was then may have become known later. Now it is one of two clocks that is wrong.
    if (isPast && age < 0) return `${formatAge(-age)} later, ${value}`;
    return age < -MAX_AHEAD_MS ? value : `${formatAge(age)} ago, ${value}`;
  };
  const placed = Number.isFinite(entity.lon) && Number.isFinite(entity.lat);
  add("state", entity.state);
  add("liveness", entity.liveness);
  add("observed", time(entity.t));
  // A move says when it was observed, not when it was received: what is older than the observation is out of date.
  if (Date.parse(entity.received) >= Date.parse(entity.t)) add("received", time(entity.received));
  add("place", placed ? formatPlace(entity.lon, entity.lat) : "unknown");
  if (entity.placedAt !== undefined) add("place observed", time(entity.placedAt));
  add("speed", entity.speed, " m/s");
  add("course", entity.course, "°");
  add("heading", entity.heading, "°");
  add("alt", entity.alt, " m");
  add("accuracy", entity.accuracy, " m");
  if (entity.implausible === true) add("implausible", "the last move was faster than its kind can be");
  add("source", entity.source);
  if (entity.labels.length > 0) add("labels", entity.labels.join(", "));
  if (entity.fences.length > 0) add("fences", entity.fences.join(", "));
  // What was has no version.
  if (entity.epoch > 0) add("epoch, seq", `${entity.epoch}, ${entity.seq}`);
  return fields;
}

/** Apart from the fields, of which they may have the names. */
export function attributesOf({ attributes }: Entity): Field[] {
  return Object.entries(attributes).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
}

/** Why an entity left the view. */
export type Gone = Change["removed"][number][1];

/** Where an entity is for who looks at the map. `beside`: the view tells it, but it is outside the map. `grouped`: clusters are shown where it is. `away`: the view does not tell it. */
export type Sight = "in-view" | "beside" | "grouped" | "away";

/** Why it is not seen or what is shown may be out of date, as a sentence; none for what is in view. @param isPast it is told as it was at a time that is shown */
export function noteOf(entity: Entity, sight: Sight, gone: Gone | undefined, isPast = false): string {
  if (sight === "in-view") return "";
  if (sight === "beside") return `Not in view, as it ${isPast ? "was" : "is"} outside the map.`;
  if (sight === "grouped")
    return "Grouped with others, if the filter does not hide it: zoom in. This is how it was when it was last looked up.";
  if (isPast) return "Not in view, as it was outside the map or is hidden by the filter.";
  if (gone === "deleted") return "Deleted: this is how it was when it was last seen.";
  if (gone === "expired" || entity.liveness === "expired")
    return "Expired, because nobody has reported it: this is how it was when it was last seen.";
  return "Not in view, as it is outside the map or hidden by the filter: this is how it was when it was last looked up.";
}

/** Of which time the details are, as a sentence; empty = of now. @param at Unix ms */
export function momentOf(at: number | undefined): string {
  if (at === undefined) return "";
  const local = localText(at);
  return `As it was at ${utcText(at)}${local === "" ? "" : ` (${local})`}`;
}

/** What the panel shows: the entity, or why there is none. `at` is the time that it is told of, Unix ms; absent = now. `failure` says why it could not be looked up once more. */
export type Details = { id: string; at?: number } & (
  | { entity: Entity; sight: Sight; gone?: Gone; failure: string }
  | { entity: undefined; reason: string }
);

/** Whether an entity may be asked to sign off: what is offline has. */
export function canSignOff({ state, liveness }: Entity): boolean {
  return state !== "offline" && liveness !== "expired";
}

export interface DetailsActions {
  close(): void;
  /** Asks the selected entity to sign off. */
  signOff(): void;
  /** Moves the map to the entity. */
  show(): void;
}

/** The panel about the selected entity. Fields change in place, so that focus and a text selection stay. */
export class DetailsPanel {
  readonly #panel = document.querySelector<HTMLElement>("#details")!;
  readonly #title = document.createElement("h2");
  readonly #swatch = document.createElement("span");
  readonly #kind = document.createElement("p");
  readonly #moment = document.createElement("p");
  readonly #note = document.createElement("p");
  readonly #fields = document.createElement("dl");
  readonly #attributesTitle = document.createElement("h3");
  readonly #attributes = document.createElement("dl");
  readonly #show = button("Show on the map", "show");
  readonly #signOff = button("Sign off", "sign-off");
  readonly #signOffNote = document.createElement("p");

  constructor(actions: DetailsActions) {
    const close = button("Close", "close");
    close.setAttribute("aria-label", "Close the details");
    close.addEventListener("click", actions.close);
    this.#show.addEventListener("click", actions.show);
    // `disabled` would take the focus from it.
    this.#signOff.addEventListener("click", () => {
      if (this.#signOff.ariaDisabled !== "true") actions.signOff();
    });
    this.#signOffNote.className = "sign-off-note";
    this.#signOffNote.id = "sign-off-note";
    this.#signOffNote.role = "status";
    this.#signOff.setAttribute("aria-describedby", this.#signOffNote.id);
    this.#swatch.className = "swatch";
    this.#kind.className = "kind";
    this.#moment.className = "moment";
    this.#note.className = "note";
    this.#fields.className = "fields";
    this.#attributes.className = "attributes";
    this.#attributesTitle.textContent = "Attributes";
    this.#title.tabIndex = -1;
    const header = document.createElement("header");
    header.append(this.#title, close);
    this.#panel.append(header, this.#kind, this.#moment, this.#note, this.#fields);
    this.#panel.append(this.#attributesTitle, this.#attributes, this.#show, this.#signOff, this.#signOffNote);
  }

  /** @param focus for keyboards and screen readers, when it was opened by its user */
  open(focus: boolean): void {
    this.#panel.hidden = false;
    if (focus) this.#title.focus({ preventScroll: true });
  }

  close(): void {
    this.#panel.hidden = true;
  }

  /** @param now Unix ms. @param signOff what became of the last one @param isOffered whether it has a button */
  render(details: Details, now: number, signOff: SignOffTold, isOffered: boolean): void {
    const { at } = details;
    const isPast = at !== undefined;
    this.#panel.dataset.mode = isPast ? "past" : "live";
    setText(this.#title, details.id);
    setText(this.#moment, momentOf(at));
    this.#renderSignOff(isPast ? { canBeAsked: false, text: "" } : signOff, isOffered);
    if (details.entity === undefined) {
      setText(this.#kind, "");
      setText(this.#note, details.reason);
      this.#renderFields([], []);
      this.#show.hidden = true;
      return;
    }
    const { entity, sight, gone, failure } = details;
    this.#swatch.style.background = css(colourOf(entity.kind));
    this.#kind.replaceChildren(this.#swatch, entity.kind);
    setText(this.#note, `${noteOf(entity, sight, gone, isPast)} ${failure}`.trim());
    this.#show.hidden = !Number.isFinite(entity.lon);
    this.#renderFields(fieldsOf(entity, at ?? now, isPast), attributesOf(entity));
  }

  #renderSignOff({ canBeAsked, text }: SignOffTold, isOffered: boolean): void {
    // Else the focus would fall out of the panel.
    if (!isOffered && document.activeElement === this.#signOff) this.#title.focus({ preventScroll: true });
    this.#signOff.hidden = !isOffered;
    this.#signOff.ariaDisabled = String(!canBeAsked);
    if (this.#signOffNote.textContent === text) return;
    this.#signOffNote.textContent = text;
    // For who has just asked, on a small screen.
    if (document.activeElement === this.#signOff) this.#signOffNote.scrollIntoView({ block: "nearest" });
  }

  #renderFields(fields: readonly Field[], attributes: readonly Field[]): void {
    renderList(this.#fields, fields);
    renderList(this.#attributes, attributes);
    this.#attributesTitle.hidden = this.#attributes.hidden = attributes.length === 0;
  }
}

function renderList(list: HTMLDListElement, fields: readonly Field[]): void {
  const rows = list.children;
  const same =
    rows.length === fields.length && fields.every(([name], i) => rows[i].firstChild?.textContent === name);
  if (!same) {
    list.replaceChildren(
      ...fields.map(([name]) => {
        const row = document.createElement("div");
        const term = document.createElement("dt");
        term.textContent = name;
        row.append(term, document.createElement("dd"));
        return row;
      }),
    );
  }
  for (const [i, [, text]] of fields.entries()) setText(rows[i].lastChild!, text);
}

function button(text: string, name: string): HTMLButtonElement {
  const element = document.createElement("button");
  element.type = "button";
  element.className = name;
  element.textContent = text;
  return element;
}

function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}
