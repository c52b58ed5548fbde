/**
 * Serves `/docs`: Swagger UI with the OpenAPI document, where users can try requests. Only the files of a fixed list
 * have a route, so that no path can lead to another file. Each file is read on its first request.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import { registerSecurityHeaders } from '../security-headers.ts'

const html = 'text/html; charset=utf-8'
const css = 'text/css; charset=utf-8'
const script = 'text/javascript; charset=utf-8'

// Only the files of @fastify/swagger-ui are used. Loading its plugin would delay every start by about 50 ms for a page
// that few people open.
const files = [
  { url: '/docs', file: './page.html', type: html },
  { url: '/docs/', file: './page.html', type: html },
  { url: '/docs/page.css', file: './page.css', type: css },
  { url: '/docs/page.js', file: './page.js', type: script },
  { url: '/docs/swagger-ui.css', file: '@fastify/swagger-ui/static/swagger-ui.css', type: css },
  { url: '/docs/swagger-ui-bundle.js', file: '@fastify/swagger-ui/static/swagger-ui-bundle.js', type: script },
] as const

/** Serves the page without references to other hosts. It loads files from, and sends requests to, this service only. */
export async function docsPlugin (pages: FastifyInstance): Promise<void> {
  await registerSecurityHeaders(pages)
  for (const { url, file, type } of files) {
    const getAsset = createCachedReader(file)
    pages.get(url, { schema: { hide: true } }, async (request, reply) => {
      const { content, etag } = await getAsset()
      reply.headers({ 'cache-control': 'no-cache', etag })
      if (request.headers['if-none-match'] === etag) return reply.code(304).send()
      return reply.type(type).send(content)
    })
  }
}

interface Asset {
  content: Buffer
  etag: string
}

/** Reads the file once and shares its buffer among all responses, so that slow readers cost no memory. */
function createCachedReader (file: string): () => Promise<Asset> {
  let asset: Promise<Asset> | undefined
  return () => {
    asset ??= readAsset(file)
    // The next request retries after a read error.
    asset.catch(() => { asset = undefined })
    return asset
  }
}

async function readAsset (file: string): Promise<Asset> {
  const content = await readFile(new URL(import.meta.resolve(file)))
  return { content, etag: `"${createHash('sha256').update(content).digest('base64url')}"` }
}
