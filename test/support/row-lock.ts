/** A lock on a row as PostgreSQL gives it: shared by many, or one's alone. Who shares does not queue up behind one who waits to be alone. */
export class RowLock {
  #sharers = 0;
  #isAlone = false;
  #waiting: (() => void)[] = [];

  /** `FOR SHARE`. @returns what lets it go. */
  async share(): Promise<() => void> {
    while (this.#isAlone) await this.#change();
    this.#sharers += 1;
    return once(() => {
      this.#sharers -= 1;
      this.#changed();
    });
  }

  /** `FOR UPDATE`, `UPDATE`. @returns what lets it go. */
  async alone(): Promise<() => void> {
    while (this.#isAlone || this.#sharers > 0) await this.#change();
    this.#isAlone = true;
    return once(() => {
      this.#isAlone = false;
      this.#changed();
    });
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

function once(release: () => void): () => void {
  let done = false;
  return () => {
    if (!done) release();
    done = true;
  };
}
