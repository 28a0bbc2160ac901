import { defineConfig } from "vite";
import { basemapPlugin } from "./basemap-tiles.ts";

export default defineConfig({
  base: "/",
  plugins: [basemapPlugin()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2024",
    // MapLibre and deck.gl are large, and the page needs both at once: splitting them would only add requests.
    chunkSizeWarningLimit: 4_000,
    // Cutting the base map is most of a build.
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  worker: { format: "es" },
  // `vite web` serves the page with hot reload beside a node on its usual port.
  server: { proxy: { "/v1": { target: "http://127.0.0.1:8080", ws: true } } },
});
