/**
 * A map server as many write their first: `ws`, and a message for each entity that a viewer sees. It knows which those are as well as Muster
 * does, encodes a record once for all, and hands the kernel all of a viewer's messages together.
 */
import { createServer } from "node:http";
import type { Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { peerPage } from "./run.ts";
import { RECORD_BYTES, type TiledFleet } from "./tiled-fleet.ts";
import { type Tile, tileOfName } from "./tiles.ts";

/** With what each wants. */
const viewers = new Map<WebSocket, Tile[]>();

function send(fleet: TiledFleet): number {
  let records = 0;
  for (const [ws, tiles] of viewers) {
    const tcp = (ws as unknown as { _socket: Socket })._socket;
    tcp.cork();
    for (const tile of tiles) {
      const bytes = fleet.records(tile);
      for (let at = 0; at < bytes.length; at += RECORD_BYTES)
        ws.send(bytes.subarray(at, at + RECORD_BYTES), { binary: true });
      records += bytes.length / RECORD_BYTES;
    }
    tcp.uncork();
  }
  return records;
}

const http = createServer((request, response) => {
  void peerPage(request.url!, send).then((body) => response.end(body));
});
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
server.on("connection", (ws) => {
  ws.on("message", (data) => {
    viewers.set(ws, (JSON.parse(String(data)) as string[]).map(tileOfName));
    ws.send("ok");
  });
  ws.on("close", () => viewers.delete(ws));
});
http.listen(0, "127.0.0.1", () => {
  const { port } = http.address() as { port: number };
  console.log(`It is at http://127.0.0.1:${port}/`);
});
process.once("SIGTERM", () => process.exit());
