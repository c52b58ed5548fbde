# The service as it runs in production: no build step, production dependencies only, no root.
FROM node:26.10.0-slim

ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
WORKDIR /app

COPY package.json package-lock.json ./
RUN npm ci --omit=dev && npm cache clean --force
COPY src ./src
COPY openapi ./openapi

# The compiled code of all modules, so that a start need not make it anew. Whoever runs the service can't write there.
ENV NODE_COMPILE_CACHE=/app/.compile-cache
RUN node --input-type=module --eval "await import('./src/app.ts')"

USER node
EXPOSE 3000

HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "src/observe/healthcheck.ts"]

# node itself is process 1, so that SIGTERM reaches it.
CMD ["node", "src/main.ts"]
