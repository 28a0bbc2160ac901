// The command line, where SIGUSR2 has the engine of the embedded database crash, with the thread still there.
import { Worker } from "node:worker_threads";

const { postMessage } = Worker.prototype;
let database: Worker | undefined;
Worker.prototype.postMessage = function (this: Worker, ...message: Parameters<typeof postMessage>) {
  database = this;
  postMessage.apply(this, message);
} as typeof postMessage;
process.on("SIGUSR2", () => database?.postMessage({ is: "unit", id: -1, bytes: undefined }));

await import("../../src/main.ts");
