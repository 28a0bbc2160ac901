/** Who may open a feed. */
import type { Identify } from "../access/ports.ts";
import { CLOSE_CODES, type CloseCode, PROTOCOLS } from "../transport/feed/protocol.ts";
import { problemAnswer, problemResponse, toResponse } from "../transport/http/problem-response.ts";
import type { DirectAnswer, ServerOptions, Socket, SocketHandlers } from "../transport/server/server.ts";
import { isOwnOrigin, offeredToken } from "./request-token.ts";

export const FEED_PATH = "/v1/feed";

/** Who may not, and what `admitted` closes the socket with, before the feed sees it. */
interface Nobody {
  role: "nobody";
  why: CloseCode;
}
const WITHOUT_TOKEN: Nobody = { role: "nobody", why: "unauthorized" };
const OF_ANOTHER_ORIGIN: Nobody = { role: "nobody", why: "cross_origin" };

/**
 * The check of WebSocket upgrades: `/v1/feed` only, with a token, in a subprotocol that is spoken here. A client that names no
 * subprotocol gets `muster.v1.json` without it being agreed on.
 *
 * A client that speaks the protocol, but has not the right token or is a page of another origin, is let in for the close code that says
 * so: of an upgrade that is refused, a browser tells its page nothing, which would try again for ever. So the sockets must go through `admitted`.
 */
export function createUpgrade(options: {
  identify: Identify;
  /** Whether the node takes no feeds any more. Default: it takes them. */
  stopping?(): boolean;
}): ServerOptions["upgrade"] {
  return ({ url, headers, protocols }) => {
    if (url.pathname !== FEED_PATH)
      return refuse(problemResponse("not-found", `The feed is at ${FEED_PATH}, not at ${url.pathname}.`));
    if (options.stopping?.()) return refuse(problemResponse("unavailable", "The node is shutting down."));
    const protocol = PROTOCOLS.find((name) => protocols.includes(name));
    const offered = offeredToken(headers, url, true);
    const principal = offered && options.identify(offered.token);
    if (offered === undefined || principal === undefined) {
      if (protocol !== undefined) return { accept: true, protocol, principal: WITHOUT_TOKEN };
      return refuse(toResponse(unauthorized(offered !== undefined)));
    }
    if (offered.from === "cookie" && !isOwnOrigin(headers, url)) {
      if (protocol !== undefined) return { accept: true, protocol, principal: OF_ANOTHER_ORIGIN };
      return refuse(problemResponse("cross-origin", "A page of another origin needs a token of its own."));
    }
    if (protocols.length > 0 && protocol === undefined)
      return refuse(problemResponse("unsupported-protocol", `Spoken here: ${PROTOCOLS.join(", ")}.`));
    return { accept: true, protocol: protocol ?? "", principal };
  };
}

/** Hands `handlers` the sockets of those who may, and closes the others at once. */
export function admitted(handlers: SocketHandlers): SocketHandlers {
  const refused = ({ principal }: Socket) =>
    [WITHOUT_TOKEN, OF_ANOTHER_ORIGIN].find((nobody) => nobody === principal);
  return {
    open(socket) {
      const nobody = refused(socket);
      if (nobody === undefined) return handlers.open(socket);
      const { code, reason } = CLOSE_CODES[nobody.why];
      socket.close(code, reason);
    },
    message(socket, data, binary) {
      if (refused(socket) === undefined) handlers.message(socket, data, binary);
    },
    drain(socket) {
      if (refused(socket) === undefined) handlers.drain(socket);
    },
    close(socket, closedWith) {
      if (refused(socket) === undefined) handlers.close(socket, closedWith);
    },
  };
}

/** The answer to a request without a token, or with a wrong one. */
export function unauthorized(offered: boolean): DirectAnswer {
  const detail = offered
    ? "The token is wrong."
    : "Send the token as Authorization: Bearer, or open the page once with ?token=.";
  const error = offered ? ', error="invalid_token"' : "";
  return problemAnswer("unauthorized", detail, {
    headers: { "www-authenticate": `Bearer realm="muster"${error}` },
  });
}

function refuse(response: Response): { accept: false; response: Response } {
  return { accept: false, response };
}
