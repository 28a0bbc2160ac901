/**
 * Socket.IO with a room for each tile and binary payloads. Where uWebSockets.js loads it is the engine: it publishes to a room without a loop in
 * JavaScript.
 */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { loadUws } from "../../src/transport/server/load-uws.ts";
import { batched, peerPage } from "./run.ts";
import { RECORD_BYTES, type TiledFleet } from "./tiled-fleet.ts";
import { type Tile, tileOfName } from "./tiles.ts";

/** Of one socket, unsent: more would be dropped without a word. */
const MAX_BACKPRESSURE = 64 * 2 ** 20;

const io = new Server({ serveClient: false, transports: ["websocket"], perMessageDeflate: false });
/** Tiles that somebody wants, and how many do. */
const wanted = new Map<string, { tile: Tile; viewers: number }>();
io.on("connection", (socket) => {
  socket.on("watch", (names: string[]) => {
    for (const name of names) {
      const one = wanted.get(name) ?? { tile: tileOfName(name), viewers: 0 };
      one.viewers += 1;
      wanted.set(name, one);
    }
    void socket.join(names);
    socket.emit("ok");
  });
});

function send(fleet: TiledFleet): number {
  let records = 0;
  for (const [name, { tile, viewers }] of wanted) {
    const bytes = fleet.records(tile);
    if (bytes.length === 0) continue;
    const room = io.to(name);
    if (batched) room.emit("t", bytes);
    else
      for (let at = 0; at < bytes.length; at += RECORD_BYTES)
        room.emit("t", bytes.subarray(at, at + RECORD_BYTES));
    records += (bytes.length / RECORD_BYTES) * viewers;
  }
  return records;
}

const { uws } = loadUws();
const told = (port: number) => console.log(`It is at http://127.0.0.1:${port}/`);
if (process.env.MUSTER_SERVER === "uws" && uws !== undefined) {
  const app = uws.App();
  io.attachApp(app, { maxBackpressure: MAX_BACKPRESSURE } as object);
  for (const path of ["/metrics", "/step"])
    app.get(path, (response) => {
      response.onAborted(() => {});
      void peerPage(path, send).then((body) => response.cork(() => response.end(body)));
    });
  app.listen("127.0.0.1", 0, 0, (socket) => {
    if (socket !== false) told(uws.us_socket_local_port(socket));
  });
} else {
  const http = createServer();
  io.attach(http);
  http.on("request", (request, response) => {
    if (/^\/(metrics|step)/.test(request.url!))
      void peerPage(request.url!, send).then((body) => response.end(body));
  });
  http.listen(0, "127.0.0.1", () => told((http.address() as { port: number }).port));
}
process.once("SIGTERM", () => process.exit());
