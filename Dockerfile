# The service as it runs in production: no build step, production dependencies only, no root.
FROM node:26.10.0-slim

ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
WORKDIR /app

COPY package.json package-lock.json ./
RUN npm ci --omit=dev && npm cache clean --force
COPY src ./src
COPY openapi ./openapi

# The compiled code of all modules, so that a start need not make it anew. Node keeps it by user, and readable to that user alone;
# whoever runs the service is to read it and not to change it.
RUN install -d -o node node_modules/.cache \
 && setpriv --reuid=node --clear-groups node tools/scripts/warm-compile-cache.ts \
 && chown -R root node_modules/.cache && chmod -R a+rX node_modules/.cache

USER node
EXPOSE 3000

HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "src/health/container-check.ts"]

# node itself is process 1, so that SIGTERM reaches it.
CMD ["node", "src/main.ts"]
