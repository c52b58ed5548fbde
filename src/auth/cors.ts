/** Allows browser pages of the configured origins to call the API (the CORS protocol of the Fetch standard). */
import cors from '@fastify/cors'
import fp from 'fastify-plugin'
import { limits } from '../config/limits.ts'

/** Response headers that pages may read. */
const exposedHeaders = [
  'x-request-id', 'procore-request-id', 'idempotency-replayed', 'x-outcome', 'retry-after', 'allow', 'www-authenticate',
  'ratelimit-policy', 'ratelimit', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset',
  'link', 'total', 'per-page', 'age', 'etag',
]
const allowedHeaders = [
  'authorization', 'content-type', 'idempotency-key', 'idempotency-token',
  'x-request-id', 'traceparent', 'if-none-match',
]

/** Without origins no CORS headers are sent. */
export const corsPlugin = fp<{ origins: readonly string[] }>(async (app, { origins }) => {
  if (origins.length === 0) return
  await app.register(cors, {
    origin: [...origins],
    // Pages set the Authorization header themselves, so cookies are not needed.
    credentials: false,
    exposedHeaders,
    allowedHeaders,
    methods: ['GET', 'POST', 'PATCH'],
    maxAge: limits.cors.preflightSeconds,
    strictPreflight: false,
  })
})
