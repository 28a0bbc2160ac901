/**
 * Whether those who are connected are still who they were, and may what they might.
 *
 * A session for which that may have changed has its turn at once if there is time, as for some hundreds there is, else in a later base tick. Until then it is
 * held: nothing of what its views show is sent, since that may be what it may not see any more.
 */
import { PERMIT_TURN_MS } from "../../access/limits.ts";
import type { Authority } from "../../access/permitted-now.ts";
import { ADMIN, type Role } from "../../access/ports.ts";
import type { Clock } from "../../clock.ts";
import type { Session } from "./session.ts";

/** Base ticks between two looks at who they are. Changed roles are noticed at the next one. */
const LOOK_TICKS = 10;

export class AccessWatch {
  readonly #options: Authority;
  readonly #clock: Clock;
  #lookedAt = 0;
  /** Names of roles that may allow something else than at the last look, also if they do not any more: a view may have been opened meanwhile. */
  readonly #changed = new Set<string>();
  /** Those whose turn has not come, the one that waits longest first. */
  readonly #waiting = new Set<Session>();

  constructor(options: Authority, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    options.policy.watch((before, now) => {
      for (const name of changedRoles(before, now)) this.#changed.add(name);
    });
  }

  /**
   * Once a base tick. Closes the connections of those who are none any more.
   * @param changed is told of each session whose principal may be allowed something else, when it has its turn. @returns whether it looked at any
   */
  tick(tick: number, sessions: Iterable<Session>, changed: (session: Session) => void): boolean {
    if (this.#changed.size > 0 || tick - this.#lookedAt >= LOOK_TICKS) {
      this.#lookedAt = tick;
      this.#look(sessions);
    } else if (this.#waiting.size === 0) return false;
    const end = this.#clock.monotonic() + PERMIT_TURN_MS;
    for (const session of this.#waiting) {
      this.#waiting.delete(session);
      session.release();
      if (session.state !== "closed") changed(session);
      if (this.#clock.monotonic() >= end) break;
    }
    for (const session of this.#waiting) session.hold();
    return true;
  }

  #look(sessions: Iterable<Session>): void {
    const { current } = this.#options;
    for (const session of sessions) {
      // Whoever has the admin token.
      if (session.principal === ADMIN) continue;
      const principal = current === undefined ? session.principal : current(session.principal);
      if (principal === undefined) session.close("unauthorized", "the token is not valid any more");
      else if (principal !== session.principal || principal.roles.some((role) => this.#changed.has(role))) {
        session.principal = principal;
        this.#waiting.add(session);
      }
    }
    this.#changed.clear();
  }
}

/** Names of roles whose grants to read entities are not what they were. */
function changedRoles(before: ReadonlyMap<string, Role>, now: ReadonlyMap<string, Role>): string[] {
  return [...new Set([...before.keys(), ...now.keys()])].filter((name) => {
    const [was, is] = [before.get(name), now.get(name)];
    return was !== is && textOf(was) !== textOf(is);
  });
}

function textOf(role: Role | undefined): string {
  const reads = role?.grants.filter(
    ({ resource, actions }) => resource === "entity" && actions.some((one) => one === "read"),
  );
  return JSON.stringify(reads?.map(({ where = null }) => where) ?? []);
}
