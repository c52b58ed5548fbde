/**
 * Serves `/docs`, the API reference by Scalar, where users can try requests, and `/docs/problems`, which says what each
 * problem code means. Only the assets of a fixed list have a route, so that no path can lead to another file. Each is
 * built on its first request.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import { registerSecurityHeaders } from '../security-headers.ts'
import { buildProblemsPage } from './problems-page.ts'
import { loadScalarScript } from './scalar-script.ts'

const html = 'text/html; charset=utf-8'
const script = 'text/javascript; charset=utf-8'

interface AssetSource {
  urls: readonly string[]
  type: string
  build: () => Buffer | Promise<Buffer>
}

const referenceAssets: readonly AssetSource[] = [
  { urls: ['/docs', '/docs/'], type: html, build: () => readPageFile('reference.html') },
  { urls: ['/docs/reference.js'], type: script, build: () => readPageFile('reference.js') },
  { urls: ['/docs/scalar.js'], type: script, build: loadScalarScript },
]

const problemAssets: readonly AssetSource[] = [
  { urls: ['/docs/problems'], type: html, build: () => Buffer.from(buildProblemsPage()) },
  { urls: ['/docs/problems.css'], type: 'text/css; charset=utf-8', build: () => readPageFile('problems.css') },
]

const readPageFile = (name: string) => readFile(new URL(name, import.meta.url))

/** Serves pages that load files from, and send requests to, this service only. */
export async function docsPlugin (fastify: FastifyInstance): Promise<void> {
  await fastify.register(async pages => {
    // Scalar adds style elements and style attributes. Its scripts are held to the policy of all pages.
    await registerSecurityHeaders(pages, { styleSources: ["'unsafe-inline'"], imageSources: ['blob:'] })
    addAssets(pages, referenceAssets)
  })
  await fastify.register(async pages => {
    await registerSecurityHeaders(pages)
    addAssets(pages, problemAssets)
  })
}

function addAssets (pages: FastifyInstance, sources: readonly AssetSource[]): void {
  for (const { urls, type, build } of sources) {
    const getAsset = createCachedBuilder(build)
    for (const url of urls) {
      pages.get(url, { schema: { hide: true } }, async (request, reply) => {
        const { content, etag } = await getAsset()
        reply.headers({ 'cache-control': 'no-cache', etag })
        if (request.headers['if-none-match'] === etag) return reply.code(304).send()
        return reply.type(type).send(content)
      })
    }
  }
}

interface Asset {
  content: Buffer
  etag: string
}

/** Builds the asset once and shares its buffer among all responses, so that slow readers cost no memory. */
function createCachedBuilder (build: AssetSource['build']): () => Promise<Asset> {
  let asset: Promise<Asset> | undefined
  return () => {
    asset ??= buildAsset(build)
    // The next request retries after an error.
    asset.catch(() => { asset = undefined })
    return asset
  }
}

async function buildAsset (build: AssetSource['build']): Promise<Asset> {
  const content = await build()
  return { content, etag: `"${createHash('sha256').update(content).digest('base64url')}"` }
}
