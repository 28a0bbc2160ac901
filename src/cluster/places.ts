/** Where reports can go, by small numbers: 0 is this node, every other one a link. */
import { MAX_LINK_SENDERS } from "../limits.ts";
import type { Consignment } from "./consignment.ts";
import { type LinkListener, type LinkOptions, LinkSender } from "./link-sender.ts";

export const HERE = 0;

export interface Place {
  readonly number: number;
  /** Absent: this node. */
  readonly link: LinkSender | undefined;
  /** On the link, with reports that are not answered or withdrawn; in the order in which it was sent. */
  readonly cargo: Set<Consignment>;
}

export class Places {
  readonly #options: LinkOptions;
  readonly #listener: LinkListener;
  readonly #places: (Place | undefined)[] = [{ number: HERE, link: undefined, cargo: new Set() }];
  readonly #numbers = new Map<string, number>();
  /** Incarnations that are down, the latest. */
  readonly #gone = new Set<string>();

  constructor(options: LinkOptions, listener: LinkListener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** Numbers are below this. */
  get count(): number {
    return this.#places.length;
  }

  get(number: number): Place {
    return this.#places[number]!;
  }

  *links(): Generator<{ link: LinkSender; cargo: Set<Consignment> }> {
    for (const place of this.#places) {
      if (place?.link !== undefined) yield { link: place.link, cargo: place.cargo };
    }
  }

  /** Whether anything on a link waits for an answer. */
  get busy(): boolean {
    for (const { cargo } of this.links()) if (cargo.size > 0) return true;
    return false;
  }

  /** Of a node, which gets a link if it has none. `undefined`: it is down. */
  numberOf(incarnation: string): number | undefined {
    const known = this.#numbers.get(incarnation);
    if (known !== undefined || this.#gone.has(incarnation)) return known;
    const free = this.#places.indexOf(undefined);
    const number = free < 0 ? this.#places.length : free;
    const cargo = new Set<Consignment>();
    const link = new LinkSender(incarnation, this.#options, {
      settle: (settled, from, to, refused, moved) => {
        this.#listener.settle(settled, from, to, refused, moved);
        if (settled.left === 0) cargo.delete(settled);
      },
      room: () => this.#listener.room(),
    });
    this.#places[number] = { number, link, cargo };
    this.#numbers.set(incarnation, number);
    return number;
  }

  /** The link to a node, if there is one. */
  linkTo(incarnation: string): LinkSender | undefined {
    const number = this.#numbers.get(incarnation);
    return number === undefined ? undefined : this.get(number).link;
  }

  /** Of a node that is down: its link is closed, its number free. @returns what it was, if there was a link. */
  close(incarnation: string): Place | undefined {
    this.#gone.add(incarnation);
    if (this.#gone.size > MAX_LINK_SENDERS) {
      const [oldest] = this.#gone;
      this.#gone.delete(oldest);
    }
    const number = this.#numbers.get(incarnation);
    if (number === undefined) return undefined;
    const place = this.get(number);
    place.link?.close();
    this.#places[number] = undefined;
    this.#numbers.delete(incarnation);
    return place;
  }

  closeAll(): void {
    for (const { link } of this.links()) link.close();
  }
}
