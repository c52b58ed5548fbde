# Builds two images: `service` (the default), and `emulator` for docker-compose.yml.
# There is no build step: Node runs the TypeScript sources.

# The one image from elsewhere. Releases need its digest: see docs/releasing.md.
FROM node:26.10.0-slim AS base

# Installs production dependencies and compiles the service. The stages below copy from it and leave tools/ and npm's
# files behind. No production dependency has an install script.
FROM base AS build
ENV NODE_ENV=production
WORKDIR /app

COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force
COPY src ./src
COPY openapi ./openapi
COPY tools/scripts/warm-compile-cache.ts ./tools/scripts/

# Writes the compile cache, so that a start does not compile the sources again. Node keeps one cache per user, with
# permissions for that user only: create it as `node`, then give it to root, so that the service can read it but not
# change it. The V8 flags must be those of CMD: V8 rejects code that was compiled with others.
RUN install -d -o node node_modules/.cache \
 && setpriv --reuid=node --clear-groups \
   node --no-allocation-site-pretenuring --expose-gc tools/scripts/warm-compile-cache.ts \
 && chown -R root node_modules/.cache && chmod -R a+rX node_modules/.cache

# Node accepts a cache entry only for the same path and the same content, so WORKDIR must be that of the stage above.
FROM base AS runtime
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/src ./src
COPY --from=build /app/openapi ./openapi
USER node

FROM runtime AS emulator
COPY tools/emulator ./tools/emulator
EXPOSE 4010
CMD ["node", "tools/emulator/main.ts"]

# The last stage is the default target.
FROM runtime AS service
ENV HOST=0.0.0.0 PORT=3000
EXPOSE 3000

HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "src/health/container-check.ts"]

# Node is process 1, without a shell or npm in between, so that it receives SIGTERM.
# SIGUSR1 starts no debugger. The V8 flags are those of `npm start`, and of the stage that compiles
# (docs/deployment.md).
CMD ["node", "--disable-sigusr1", "--no-allocation-site-pretenuring", "--expose-gc", "src/main.js"]
