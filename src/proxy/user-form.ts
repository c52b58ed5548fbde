import { createHash } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { LRUCache } from 'lru-cache'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import { recordSchema, rootSchema, type FormMetadata, type ListQuery } from '../endpoints/endpoint.ts'
import { childRecord, type RequestRecord, type UpstreamRecord } from '../telemetry/request-record.ts'
import { Problem } from '../server/problem.ts'
import { ClientDisconnectedError } from '../server/errors.ts'
import type { AbortReason } from '../server/abort.ts'
import { isLastPage } from '../procore/page-links.ts'
import type { UpstreamSuccess, UpstreamResult } from '../procore/result.ts'
import { parseJson } from '../util/parse-json.ts'
import { emptyBody } from './body/json.ts'
import type { RecordValidator } from './validation/record.ts'
import { imageMediaTypes } from './image/signature.ts'
import { rejectionProblem } from './rejection.ts'
import { compileParameters, validateQuery } from './validation/parameters.ts'
import { createEndpointClient, type ProxyServices } from './endpoint-client.ts'
import type { EndpointRequest, Send } from './context.ts'

type CacheInfo = NonNullable<UpstreamSuccess['cacheInfo']>

interface ListSection {
  items: readonly unknown[]
  isComplete: boolean
  cacheInfo: CacheInfo | undefined
}

/** A list, or the reason why it is missing. */
type Section = ListSection | AbortReason

/** Procore's response to one query, or the reason why there is none. */
type Page = UpstreamSuccess | AbortReason

/** A form, and the parts that it was built from. */
interface BuiltForm {
  parts: ReadonlyArray<ReturnType<typeof toPart>>
  success: UpstreamSuccess
}

interface ListSource {
  send: Send
  query: RecordValidator
}

/**
 * Builds the metadata of a create-user form: parts that are the same for all companies, serialized once, and the lists
 * of one company, fetched concurrently and cached like any pick-list. A list that is unavailable or late is null, with
 * the problem beside it. The form fails only if all lists fail.
 */
export class UserFormBuilder {
  readonly #metadata: FormMetadata
  readonly #lists: ReadonlyArray<readonly [name: string, sources: readonly ListSource[]]>
  readonly #requiredFieldsSource: ListSource
  /** JSON without its closing brace. */
  readonly #constants: string
  readonly #constantsDigest: Buffer
  /**
   * The form of the latest responses, by the first of them. Cached responses keep their buffers, so equal buffers mean
   * an equal form.
   */
  readonly #builtForms = new LRUCache<Buffer, BuiltForm>({
    maxSize: limits.userForm.builtMaxBytes,
    sizeCalculation: ({ parts, success }) => {
      return parts.reduce((bytes, part) => bytes + (part?.length ?? 0), success.body.length)
    },
  })

  constructor (
    metadata: FormMetadata, services: ProxyServices, { avatarMaxBytes, avatarMaxPixels }: Config['body']
  ) {
    const compile = (listQuery: ListQuery) => compileListSource(listQuery, services)
    this.#metadata = metadata
    this.#lists = Object.entries(metadata.lists).map(([name, listQueries]) => [name, listQueries.map(compile)])
    this.#requiredFieldsSource = compile(metadata.requiredFields.source)
    const { body } = metadata
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema', ...rootSchema(body.rootKey, recordSchema(body.fields)),
    }
    const imageLimits = { types: imageMediaTypes, maxBytes: avatarMaxBytes, maxPixels: avatarMaxPixels }
    const images = Object.fromEntries((body.images ?? []).map(({ name }) => [name, imageLimits]))
    this.#constants = JSON.stringify({ schema, ...images, ...metadata.buildConstants() }).slice(0, -1)
    this.#constantsDigest = createHash('sha256').update(this.#constants).digest()
  }

  /** Fails with the first reason if no list is available. */
  async build (request: EndpointRequest): Promise<UpstreamResult> {
    const pagesByList = await this.#fetchLists(request)
    const pages = pagesByList.flat()
    const parts = pages.map(toPart)
    const firstBody = parts.find((part): part is Buffer => Buffer.isBuffer(part))
    if (firstBody === undefined || parts.includes(undefined)) return this.#assemble(pagesByList, request)
    const built = this.#builtForms.get(firstBody)
    if (built !== undefined && built.parts.every((part, index) => part === parts[index])) {
      const cacheInfo = oldestCacheInfo(pages)
      request.record.cache = cacheInfo.cacheStatus
      return { ...built.success, cacheInfo }
    }
    const result = this.#assemble(pagesByList, request)
    if (result.kind === 'success') this.#builtForms.set(firstBody, { parts, success: result })
    return result
  }

  #assemble (pagesByList: ReadonlyArray<readonly Page[]>, request: EndpointRequest): UpstreamResult {
    const [required, ...lists] = pagesByList.map(mergePages)
    const named = this.#lists.map(([name], index) => [name, lists[index]] as const)
    const sections = [required, ...lists].filter(section => section !== undefined)
    const errors = sections.filter(section => section instanceof Error)
    const [error] = errors
    const hasLeft = errors.some(reason => reason instanceof ClientDisconnectedError)
    if (error !== undefined && (hasLeft || errors.length === sections.length)) return { kind: 'failure', error }
    const cacheInfo = oldestCacheInfo(sections)
    request.record.cache = cacheInfo.cacheStatus
    const requiredFields = this.#parseRequiredFields(required)
    const unreadable = requiredFields instanceof Problem ? requiredFields : undefined
    const incomplete = named.filter(([, section]) => !(section instanceof Error) && section?.isComplete === false)
    const problems = new Map<string, { code: string, detail: string }>()
    for (const [name, section] of [['required_fields', unreadable] as const, ...named]) {
      if (section instanceof Problem) problems.set(name, { code: section.code, detail: section.message })
    }
    return this.#serialize({
      required_fields: unreadable === undefined ? requiredFields : null,
      pick_lists: Object.fromEntries(named.map(([name, section]) => [name, this.#filterAllowed(name, section)])),
      incomplete: incomplete.map(([name]) => name),
      problems: Object.fromEntries(problems),
    }, cacheInfo)
  }

  /** A list that is late becomes a problem. Its request continues, and its response is cached for the next form. */
  async #fetchLists (request: EndpointRequest): Promise<Page[][]> {
    const late = new AbortController()
    const timer = setTimeout(() => {
      late.abort(new Problem('procore_timeout', 'Procore did not respond soon enough for the form.'))
    }, limits.userForm.waitMs)
    const signal = AbortSignal.any([request.signal, late.signal])
    const lists = [[this.#requiredFieldsSource], ...this.#lists.map(([, sources]) => sources)]
    // One for each query. Node warns of more than ten listeners.
    setMaxListeners(lists.flat().length, signal)
    try {
      return await Promise.all(lists.map(sources => {
        return Promise.all(sources.map(source => fetchPage(source, { ...request, signal })))
      }))
    } finally {
      clearTimeout(timer)
    }
  }

  #parseRequiredFields (section: Section | undefined): readonly string[] | AbortReason {
    if (section instanceof Error) return section
    const { parse, unreadableDetail } = this.#metadata.requiredFields
    return parse(section?.items ?? []) ?? new Problem('procore_bad_response', unreadableDetail)
  }

  /** Removes items that callers may not choose. */
  #filterAllowed (name: string, section: Section | undefined): readonly unknown[] | null {
    if (section === undefined || section instanceof Error) return null
    const allowedIds = this.#metadata.allowedIds[name]
    if (allowedIds === undefined || allowedIds.size === 0) return section.items
    return section.items.filter(item => allowedIds.has(getId(item)))
  }

  #serialize (companyParts: object, cacheInfo: CacheInfo): UpstreamSuccess {
    const rest = JSON.stringify(companyParts)
    const digest = createHash('sha256').update(this.#constantsDigest).update(rest).digest('base64url')
    return {
      kind: 'success',
      status: 200,
      contentType: 'application/json; charset=utf-8',
      body: Buffer.from(`${this.#constants},${rest.slice(1)}`),
      recordId: undefined,
      etag: `"${digest}"`,
      cacheInfo,
    }
  }
}

/**
 * Returns what a response adds to the form, for comparison: the cached buffer, or the text of a problem, because a list
 * may be missing for ever. Undefined if the caller left.
 */
function toPart (page: Page): Buffer | string | undefined {
  if (page instanceof Problem) return `${page.code}: ${page.message}`
  return page instanceof Error ? undefined : page.body
}

/** Merges all queries of one list by id. If one query fails, the list fails. */
function mergePages (pages: readonly Page[]): Section {
  const sections = pages.map(parsePage)
  const error = sections.find(section => section instanceof Error)
  if (error !== undefined) return error
  const lists = sections.flatMap(section => section instanceof Error ? [] : [section])
  const items = new Map(lists.flatMap(list => list.items).map(item => [getId(item) ?? item, item]))
  return {
    items: [...items.values()],
    isComplete: lists.every(({ isComplete }) => isComplete),
    cacheInfo: mergeCacheInfo(lists.map(({ cacheInfo }) => cacheInfo)),
  }
}

function compileListSource ({ list, query }: ListQuery, services: ProxyServices): ListSource {
  const validator = validateQuery(compileParameters(list.path, list.params, list.query).query, query)
  if (validator.hasErrors) throw new TypeError(`${list.name} does not accept this query.`)
  return { send: createEndpointClient(list, services), query: validator }
}

async function fetchPage ({ send, query }: ListSource, request: EndpointRequest): Promise<Page> {
  const record = childRecord(request.record)
  const result = await send({ ...request, body: emptyBody, query, idempotencyKey: undefined, record })
  recordTimes(request.record, record)
  if (result.kind === 'failure') return result.error
  return result.kind === 'rejection' ? rejectionProblem(result, query.compiled) : result
}

function parsePage (page: Page): Section {
  if (page instanceof Error) return page
  const items = parseJson(page.body.toString('utf8'))
  if (!Array.isArray(items)) return new Problem('procore_bad_response', 'Procore\'s response is not a list.')
  return { items, isComplete: isLastPage(page.headers ?? {}, items.length), cacheInfo: page.cacheInfo }
}

/** Records the longest times, because the lists are fetched concurrently. */
function recordTimes (record: RequestRecord, child: UpstreamRecord): void {
  if (child.upstreamMs !== undefined) record.upstreamMs = Math.max(record.upstreamMs ?? 0, child.upstreamMs)
  if (child.rateLimitWaitMs !== undefined) {
    record.rateLimitWaitMs = Math.max(record.rateLimitWaitMs ?? 0, child.rateLimitWaitMs)
  }
}

const rank = { miss: 0, hit: 1, stale: 2 } as const

/** Combines the ages: the result is as old as its oldest part. */
function mergeCacheInfo (cacheInfos: ReadonlyArray<CacheInfo | undefined>): CacheInfo | undefined {
  const known = cacheInfos.filter(cacheInfo => cacheInfo !== undefined)
  const [first] = known
  return first === undefined
    ? undefined
    : known.reduce((a, b) => ({
      lifetimeSeconds: Math.min(a.lifetimeSeconds, b.lifetimeSeconds),
      ageSeconds: Math.max(a.ageSeconds, b.ageSeconds),
      cacheStatus: rank[a.cacheStatus] >= rank[b.cacheStatus] ? a.cacheStatus : b.cacheStatus,
    }), first)
}

const uncacheable: CacheInfo = { lifetimeSeconds: 0, ageSeconds: 0, cacheStatus: 'miss' }

/** A form with a missing list must not be cached by the caller, because the next one may be complete. */
function oldestCacheInfo (sections: ReadonlyArray<Section | Page>): CacheInfo {
  const cacheInfos = sections.map(section => section instanceof Error ? uncacheable : section.cacheInfo)
  return mergeCacheInfo(cacheInfos) ?? uncacheable
}

function getId (item: unknown): unknown {
  return typeof item === 'object' && item !== null && 'id' in item ? item.id : undefined
}
