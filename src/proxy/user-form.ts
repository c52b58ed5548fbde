/**
 * Gathers what a form for a record needs: what is the same for all companies, written once, and the lists of one company, asked for
 * together and kept like any pick-list. A list that can't be had, or not soon, is null, with the reason beside it; the form fails only when
 * all do.
 */
import { createHash } from 'node:crypto'
import type { Config } from '../config/index.ts'
import { limits } from '../config/limits.ts'
import type { FormMetadata, ListQuery } from '../endpoints/endpoint.ts'
import { recordSchema } from '../endpoints/endpoint.ts'
import { childRecord, type RequestRecord } from '../telemetry/request-record.ts'
import { Problem } from '../server/problem.ts'
import type { UpstreamSuccess, UpstreamResult } from '../procore/interpret.ts'
import { emptyBody } from './body/json.ts'
import type { RecordValidator } from './validation/record.ts'
import { imageMediaTypes } from './image/signature.ts'
import { hasNextPage } from './pagination.ts'
import { rejectionProblem } from './rejection.ts'
import { compileParameters, validateQuery } from './validation/parameters.ts'
import { EndpointClient, type ProxyServices } from './endpoint-client.ts'
import { type RequestMetadata } from './context.ts'

type CacheInfo = NonNullable<UpstreamSuccess['cacheInfo']>

/** A list as it could be had. */
type Section = { items: readonly unknown[], isComplete: boolean, kept: CacheInfo | undefined } | Problem

interface ListSource {
  client: EndpointClient
  query: RecordValidator
}

/** The form of one kind of record; what is the same for all companies is written when it is made. */
export class UserFormBuilder {
  readonly #sections: FormMetadata
  readonly #lists: ReadonlyArray<readonly [name: string, questions: readonly ListSource[]]>
  readonly #requiredFieldsSource: ListSource
  /** As JSON without its last brace. */
  readonly #constants: string
  readonly #constantsDigest: Buffer

  constructor (form: FormMetadata, upstreamParts: ProxyServices, { avatarMaxBytes, avatarMaxPixels }: Config['body']) {
    const compile = (question: ListQuery) => compileListSource(question, upstreamParts)
    this.#sections = form
    this.#lists = Object.entries(form.lists).map(([name, questions]) => [name, questions.map(compile)])
    this.#requiredFieldsSource = compile(form.requiredFields.source)
    const schema = { $schema: 'https://json-schema.org/draft/2020-12/schema', ...recordSchema(form.body) }
    const image = form.body.image === undefined ? {} : { [form.body.image.name]: { types: imageMediaTypes, maxBytes: avatarMaxBytes, maxPixels: avatarMaxPixels } }
    this.#constants = JSON.stringify({ schema, ...image, ...form.constants }).slice(0, -1)
    this.#constantsDigest = createHash('sha256').update(this.#constants).digest()
  }

  /** @throws {Problem} the first, when no list could be had; CallerGone */
  async build (envelope: RequestMetadata): Promise<UpstreamResult> {
    const [required, ...lists] = await this.#fetchLists(envelope)
    const named = this.#lists.map(([name], index) => [name, lists[index]] as const)
    const parts = [required, ...lists].filter(part => part !== undefined)
    const [first] = parts
    if (first instanceof Problem && parts.every(part => part instanceof Problem)) throw first
    const kept = oldestCacheInfo(parts)
    envelope.record.cache = kept.cacheStatus
    const requiredFields = this.#parseRequiredFields(required)
    const unread = requiredFields instanceof Problem ? requiredFields : undefined
    return this.#serialize({
      required_fields: unread === undefined ? requiredFields : null,
      pick_lists: Object.fromEntries(named.map(([name, part]) => [name, this.#filterAllowed(name, part)])),
      incomplete: named.flatMap(([name, part]) => part instanceof Problem || part?.isComplete !== false ? [] : [name]),
      problems: Object.fromEntries([['required_fields', unread] as const, ...named].flatMap(([name, part]) => part instanceof Problem ? [[name, { code: part.code, detail: part.message }]] : [])),
    }, kept)
  }

  /** Whoever is late is not waited for; the question goes on, and its answer is kept for the next form. */
  async #fetchLists (envelope: RequestMetadata): Promise<Section[]> {
    const { promise: tooLate, resolve } = Promise.withResolvers<Section>()
    const timer = setTimeout(() => resolve(new Problem('procore_timeout', 'Procore did not answer soon enough for a form.')), limits.userForm.waitMs)
    try {
      const asked = [[this.#requiredFieldsSource], ...this.#lists.map(([, questions]) => questions)]
      return await Promise.all(asked.map(questions => Promise.race([this.#fetchList(questions, envelope), tooLate])))
    } finally {
      clearTimeout(timer)
    }
  }

  #parseRequiredFields (part: Section | undefined): readonly string[] | Problem {
    if (part instanceof Problem) return part
    const { parse, unreadableDetail } = this.#sections.requiredFields
    return parse(part?.items ?? []) ?? new Problem('procore_bad_response', unreadableDetail)
  }

  #filterAllowed (name: string, part: Section | undefined): readonly unknown[] | null {
    if (part === undefined || part instanceof Problem) return null
    const offered = this.#sections.allowedIds[name]
    return offered === undefined || offered.size === 0 ? part.items : part.items.filter(item => offered.has(getId(item)))
  }

  #serialize (told: object, cacheInfo: CacheInfo): UpstreamSuccess {
    const rest = JSON.stringify(told)
    const etag = `"${createHash('sha256').update(this.#constantsDigest).update(rest).digest('base64url')}"`
    return { kind: 'success', status: 200, contentType: 'application/json; charset=utf-8', body: Buffer.from(`${this.#constants},${rest.slice(1)}`), recordId: undefined, etag, cacheInfo }
  }

  /** All questions of one list; one that fails fails the list. */
  async #fetchList (questions: readonly ListSource[], envelope: RequestMetadata): Promise<Section> {
    try {
      const answers = await Promise.all(questions.map(question => fetchPage(question, envelope)))
      const items = new Map(answers.flatMap(answer => answer.items).map(item => [getId(item) ?? item, item]))
      return { items: [...items.values()], isComplete: answers.every(({ isComplete }) => isComplete), kept: mergeCacheInfo(answers.map(({ kept }) => kept)) }
    } catch (error) {
      if (error instanceof Problem) return error
      throw error
    }
  }
}

function compileListSource ({ list, query }: ListQuery, parts: ProxyServices): ListSource {
  const draft = validateQuery(compileParameters(list.path, list.params, list.query).query, query)
  if (draft.hasErrors) throw new TypeError(`${list.name} has no such question`)
  return { client: new EndpointClient(list, parts), query: draft }
}

/** @throws {Problem} CallerGone */
async function fetchPage ({ client, query }: ListSource, envelope: RequestMetadata): Promise<Exclude<Section, Problem>> {
  const record = childRecord(envelope.record)
  const verdict = await client.send(emptyBody, { ...envelope, query, idempotencyKey: undefined, record }).finally(() => recordTimes(envelope.record, record))
  if (verdict.kind === 'rejection') throw rejectionProblem(verdict, query.compiled)
  const items: unknown = JSON.parse(verdict.body.toString('utf8'))
  if (!Array.isArray(items)) throw new Problem('procore_bad_response', 'Procore gave an answer that is no list.')
  return { items, isComplete: isLastPage(verdict.headers, items.length), kept: verdict.cacheInfo }
}

/** Procore may give fewer at a time than it is asked for, and tell so by a count or by a link alone. */
function isLastPage ({ total = '0', link = '' }: Readonly<Record<string, string>> = {}, count: number): boolean {
  return Number(total) <= count && !hasNextPage(link)
}

/** They run together, so that the longest is what was waited for. */
function recordTimes (trail: RequestRecord, part: RequestRecord): void {
  if (part.upstreamMs !== undefined) trail.upstreamMs = Math.max(trail.upstreamMs ?? 0, part.upstreamMs)
  if (part.rateLimitWaitMs !== undefined) trail.rateLimitWaitMs = Math.max(trail.rateLimitWaitMs ?? 0, part.rateLimitWaitMs)
}

const rank = { miss: 0, hit: 1, stale: 2 } as const

/** As old as its oldest part. */
function mergeCacheInfo (parts: ReadonlyArray<CacheInfo | undefined>): CacheInfo | undefined {
  const known = parts.filter(part => part !== undefined)
  const [first] = known
  return first === undefined
    ? undefined
    : known.reduce((a, b) => ({
      lifetimeSeconds: Math.min(a.lifetimeSeconds, b.lifetimeSeconds),
      ageSeconds: Math.max(a.ageSeconds, b.ageSeconds),
      cacheStatus: rank[a.cacheStatus] >= rank[b.cacheStatus] ? a.cacheStatus : b.cacheStatus,
    }), first)
}

/** A form that lacks something is not kept by whoever gets it: the next one may be whole. */
function oldestCacheInfo (parts: readonly Section[]): CacheInfo {
  const kept = mergeCacheInfo(parts.map(part => part instanceof Problem ? { lifetimeSeconds: 0, ageSeconds: 0, cacheStatus: 'miss' } : part.kept))
  return kept ?? { lifetimeSeconds: 0, ageSeconds: 0, cacheStatus: 'miss' }
}

function getId (item: unknown): unknown {
  return typeof item === 'object' && item !== null && 'id' in item ? item.id : undefined
}
