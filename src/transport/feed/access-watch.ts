/** Whether those who are connected are still who they were, and may what they might. */
import type { Authority } from "../../access/permitted-now.ts";
import { ADMIN } from "../../access/ports.ts";
import type { Session } from "./session.ts";

/** Base ticks between two looks at who they are. Changed roles are noticed at the next one. */
const LOOK_TICKS = 10;

export class AccessWatch {
  readonly #options: Authority;
  #lookedAt = 0;
  #revision: number;

  constructor(options: Authority) {
    this.#options = options;
    this.#revision = options.policy.revision;
  }

  /**
   * Once a base tick. Closes the connections of those who are none any more.
   * @param changed is told of each session whose principal may be allowed something else. @returns whether it looked at all
   */
  tick(tick: number, sessions: Iterable<Session>, changed: (session: Session) => void): boolean {
    const { policy, current } = this.#options;
    const isRevised = policy.revision !== this.#revision;
    if (!isRevised && tick - this.#lookedAt < LOOK_TICKS) return false;
    this.#lookedAt = tick;
    this.#revision = policy.revision;
    for (const session of sessions) {
      // Whoever has the admin token.
      if (session.principal === ADMIN) continue;
      const principal = current === undefined ? session.principal : current(session.principal);
      if (principal === undefined) session.close("unauthorized", "the token is not valid any more");
      else if (isRevised || principal !== session.principal) {
        session.principal = principal;
        changed(session);
      }
    }
    return true;
  }
}
