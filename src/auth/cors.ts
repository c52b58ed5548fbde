/** Allows browser pages of the configured origins to call the API (the CORS protocol of the Fetch standard). */
import cors from '@fastify/cors'
import fp from 'fastify-plugin'
import { limits } from '../config/limits.ts'
import { exposedHeaders } from '../server/cors-headers.ts'

/**
 * Without origins no CORS headers are sent. For a listed origin, a preflight allows all headers that it asks for: pages
 * send headers of their upload and tracing libraries, and the service ignores headers that it does not know.
 * Credentials are allowed, because pages send `credentials: 'include'`, although the service uses no cookies.
 */
export const corsPlugin = fp<{ origins: readonly string[] }>(async (app, { origins }) => {
  if (origins.length === 0) return
  await app.register(cors, {
    origin: [...origins],
    credentials: true,
    exposedHeaders,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    maxAge: limits.cors.preflightSeconds,
    strictPreflight: false,
  })
})
