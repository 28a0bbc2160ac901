/** What keeps a server from being made. */

/** A sentence for the operator: the server that he named cannot be had. */
export class ServerStartError extends Error {
  override name = "ServerStartError";
}
