/** Lets pages of the named origins call from a browser (the Fetch standard's CORS protocol), and nobody else's. */
import cors from '@fastify/cors'
import type { FastifyInstance } from 'fastify'
import { limits } from '../config/limits.ts'

/** What pages may read of an answer beside its body. */
const exposedHeaders = [
  'x-request-id', 'procore-request-id', 'idempotency-replayed', 'x-outcome', 'retry-after', 'allow', 'www-authenticate',
  'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset', 'link', 'total', 'per-page', 'age', 'etag',
]
const allowedHeaders = ['authorization', 'content-type', 'idempotency-key', 'idempotency-token', 'x-request-id', 'traceparent', 'if-none-match']

/** @param origins none: no header of CORS is ever sent */
export async function registerCors (app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return
  // Tokens travel in a header that pages set themselves, so cookies stay out of it.
  await app.register(cors, { origin: [...origins], credentials: false, exposedHeaders, allowedHeaders, methods: ['GET', 'POST', 'PATCH'], maxAge: limits.cors.preflightSeconds, strictPreflight: false })
}
