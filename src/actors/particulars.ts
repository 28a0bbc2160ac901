/** Attributes and labels of entities, which few have, and what they take in the checkpoints of their shards. */
import type { Picture } from "../picture/picture.ts";
import { mergePatch } from "./merge-patch.ts";
import type { JsonObject } from "./messages.ts";
import type { Shard } from "./shard.ts";

export class Particulars {
  readonly #picture: Picture;
  readonly #shards: readonly Shard[];

  constructor(picture: Picture, shards: readonly Shard[]) {
    this.#picture = picture;
    this.#shards = shards;
  }

  /** @param text JSON text of an object, or empty. */
  setAttributes(slot: number, text: string): void {
    const { attributes } = this.#picture.columns;
    this.#count(slot, Buffer.byteLength(text) - this.attributeBytes(slot));
    if (text === "") attributes.delete(slot);
    else attributes.set(slot, text);
  }

  /** Bytes of the JSON text of the attributes, 0 if there are none. */
  attributeBytes(slot: number): number {
    return Buffer.byteLength(this.#picture.columns.attributes.get(slot) ?? "");
  }

  /** JSON text of the attributes after a merge patch. */
  mergedAttributes(slot: number, patch: JsonObject): string {
    const before = slot < 0 ? undefined : this.#picture.columns.attributes.get(slot);
    return JSON.stringify(mergePatch(before === undefined ? {} : (JSON.parse(before) as JsonObject), patch));
  }

  /** @param all sorted, each once. */
  setLabels(slot: number, all: readonly string[]): void {
    const { labels } = this.#picture.columns;
    this.#count(slot, labelBytes(all) - labelBytes(this.labelsOf(slot)));
    if (all.length === 0) labels.delete(slot);
    else labels.set(slot, all);
  }

  labelsOf(slot: number): readonly string[] {
    return this.#picture.columns.labels.get(slot) ?? [];
  }

  #count(slot: number, bytes: number): void {
    this.#shards[this.#picture.columns.shard.of(slot)].bytes += bytes;
  }
}

/** Bytes of labels as a checkpoint has them. */
export function labelBytes(labels: readonly string[]): number {
  return labels.length === 0 ? 0 : Buffer.byteLength(JSON.stringify(labels));
}
