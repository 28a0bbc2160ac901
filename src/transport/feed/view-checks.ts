/** What is looked at before a view is opened or filtered anew; the client is told what is wrong. */
import type { Permitted } from "../../access/ports.ts";
import { MAX_VIEWS_PER_CONNECTION } from "../../limits.ts";
import { ExpressionError } from "../../picture/cel.ts";
import type { FilterTime } from "../../picture/filter-time.ts";
import { bothLenses, type Filter, type Lens, lensOf } from "../../picture/lens.ts";
import type { Picture } from "../../picture/picture.ts";
import type { Session } from "./session.ts";

/** Whether a connection may have a view more, with this name. */
export function takesView(session: Session, view: string): boolean {
  if (session.views.has(view)) {
    session.refuse({ type: "view-exists", detail: "update it, or unsubscribe it first", view });
    return false;
  }
  if (session.views.size < MAX_VIEWS_PER_CONNECTION) return true;
  const detail = `at most ${MAX_VIEWS_PER_CONNECTION} views on one connection`;
  session.refuse({ type: "too-many-views", detail, view });
  return false;
}

/** The lens of what may be seen and passes a filter; `undefined` if it is none. */
export function lensFor(
  session: Session,
  picture: Picture,
  view: string,
  filter: Filter,
  time: FilterTime,
  permitted: Lens,
): Lens | undefined {
  try {
    return bothLenses(permitted, lensOf(picture, filter, time));
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    const { message: detail, position } = error;
    session.refuse({ type: "bad-expression", detail, view, position });
    return undefined;
  }
}

/** Whether as much is permitted as before. */
export function isSame(permitted: Permitted, before: Permitted): boolean {
  return permitted === before || JSON.stringify(permitted) === JSON.stringify(before);
}
