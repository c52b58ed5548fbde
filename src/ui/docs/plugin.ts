/**
 * The page `/docs`: Swagger UI with the OpenAPI document, from which requests can be tried. All that it loads comes from here, file by
 * file from this list, so that no path leads elsewhere; nothing is read before it is first asked for.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import { registerSecurityHeaders } from '../security-headers.ts'

const html = 'text/html; charset=utf-8'
const css = 'text/css; charset=utf-8'
const script = 'text/javascript; charset=utf-8'

// Of the package its files only: loading its plugin would cost every start some fifty milliseconds for a page that few open.
const files = [
  { url: '/docs', file: './page.html', type: html },
  { url: '/docs/', file: './page.html', type: html },
  { url: '/docs/page.css', file: './page.css', type: css },
  { url: '/docs/page.js', file: './page.js', type: script },
  { url: '/docs/swagger-ui.css', file: '@fastify/swagger-ui/static/swagger-ui.css', type: css },
  { url: '/docs/swagger-ui-bundle.js', file: '@fastify/swagger-ui/static/swagger-ui-bundle.js', type: script },
] as const

/** Serves `/docs` from the package of Swagger UI: the page asks no other host, and nothing but this service. */
export async function registerDocs (app: FastifyInstance): Promise<void> {
  await app.register(async pages => {
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
  })
}

interface Asset {
  content: Buffer
  etag: string
}

/** One buffer for all who ask, however slowly they read. */
function createCachedReader (file: string): () => Promise<Asset> {
  let asset: Promise<Asset> | undefined
  return () => {
    asset ??= readAsset(file)
    // What could not be read is tried again.
    asset.catch(() => { asset = undefined })
    return asset
  }
}

async function readAsset (file: string): Promise<Asset> {
  const content = await readFile(new URL(import.meta.resolve(file)))
  return { content, etag: `"${createHash('sha256').update(content).digest('base64url')}"` }
}
