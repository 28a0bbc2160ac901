# Muster in one image: the server runs its TypeScript directly, so only the map UI is built.

# --- the map UI, with all development dependencies
FROM node:24-trixie-slim AS web
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY src ./src
COPY client ./client
COPY web ./web
RUN node web/build.ts

# --- what the server needs at run time, nothing else
FROM node:24-trixie-slim AS dependencies
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev
# uWebSockets.js brings its binary for each system and version of Node.js, 116 MB; one of them is used here.
RUN find node_modules/uWebSockets.js -name '*.node' ! -name "uws_linux_$(node -p 'process.arch + "_" + process.versions.modules').node" -delete

# --- the image
FROM node:24-trixie-slim
WORKDIR /app
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8080 \
    MUSTER_DATA_DIR=/data
COPY package.json LICENSE NOTICE ./
COPY --from=dependencies /build/node_modules ./node_modules
COPY src ./src
COPY client ./client
COPY migrations ./migrations
COPY data ./data
COPY --from=web /build/web/dist ./web/dist
RUN install --directory --owner=node --group=node /data
USER node
# The embedded database lives here; with DATABASE_URL it stays almost empty.
VOLUME /data
EXPOSE 8080
# A node beyond loopback refuses to start without MUSTER_ADMIN_TOKEN: give one with `docker run -e`.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# node itself is process 1, so that SIGTERM reaches it and it drains.
CMD ["node", "src/main.ts", "serve"]
