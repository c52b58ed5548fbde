/** What Procore answers to a request that was read whole: tokens, users, avatars, and the lists of a company. It writes nothing; an answer comes out. */
import { randomBytes } from 'node:crypto'
import { json, type Answer } from './response.ts'
import { catalog } from './catalog.ts'
import { Directory, present, type Errors, type User, type Wish } from './directory.ts'
import { parseForm } from './multipart.ts'
import { pageOf } from './pagination.ts'
import type { Received } from './recorder.ts'
import type { Settings } from './settings.ts'

/** Procore's REST API and its token endpoint (OAuth 2.0 client credentials, RFC 6749 §4.4), as far as the service uses them. */
export class Api {
  settings: Settings
  readonly directory = new Directory()
  readonly #tokens = new Map<string, number>()
  readonly #windows = new Map<number, { endsAtMs: number, used: number }>()

  constructor (settings: Settings) {
    this.settings = settings
  }

  /** Procore's clock, which need not be ours. */
  now (): Date {
    return new Date(Date.now() + this.settings.clockSkewSeconds * 1000)
  }

  /** From now on every token that was issued is answered 401. */
  revokeTokens (): void {
    this.#tokens.clear()
  }

  /** @param origin of the emulator, for links in answers */
  answer (request: Received, origin: string): Answer {
    const url = new URL(request.path, origin)
    const { pathname } = url
    if (pathname === '/oauth/token') return request.method === 'POST' ? this.#token(request) : json(404, { error: 'Not found' })
    const avatar = /^\/avatars\/(\d+)$/.exec(pathname)
    if (avatar !== null) return this.#avatar(Number(avatar[1]))
    const companyId = companyOf(request.path)
    if (companyId === undefined) return notFound()
    return this.#refuse(request, companyId) ?? this.#serve(request, companyId, url)
  }

  #serve (request: Received, companyId: number, url: URL): Answer {
    const users = /^\/rest\/v1\.[03]\/companies\/\d+\/users(\/inactive|\/\d+(?:\/invite)?)?$/.exec(url.pathname)
    if (users !== null) return this.#users(request, companyId, users[1], url)
    const name = /^\/rest\/v1\.0\/(?:companies\/\d+\/(?!vendors)|(?=vendors))(\w+)$/.exec(url.pathname)?.[1]
    const list = request.method === 'GET' ? catalog(name ?? '', url.searchParams, this.settings) : undefined
    if (list === undefined) return notFound()
    return list.isPaged ? pageOf(list.items, url) : json(200, list.items)
  }

  #token ({ headers, body }: Received): Answer {
    const type = headers['content-type'] ?? ''
    const fields = type.startsWith('application/json') ? new Map(Object.entries(parseObject(body) ?? {})) : new URLSearchParams(body.toString())
    if (fields.get('grant_type') !== 'client_credentials') return json(400, { error: 'unsupported_grant_type' })
    const { clientId, clientSecret, nextClientSecret, invalidClientStatus, expiresInSeconds } = this.settings
    const secrets = [clientSecret, nextClientSecret].filter(secret => secret !== '')
    if (fields.get('client_id') !== clientId || !secrets.includes(String(fields.get('client_secret')))) {
      return json(invalidClientStatus, { error: 'invalid_client', error_description: 'Client authentication failed due to unknown client.' })
    }
    const token = `eyJ.${randomBytes(600).toString('base64url')}.${randomBytes(32).toString('base64url')}`
    this.#tokens.set(token, Date.now() + expiresInSeconds * 1000)
    return json(200, { access_token: token, token_type: 'bearer', expires_in: expiresInSeconds, created_at: Math.floor(this.now().getTime() / 1000) })
  }

  /** What is wrong with a request before its body counts. */
  #refuse ({ headers }: Received, companyId: number): Answer | undefined {
    if (headers['user-agent'] === undefined) return json(400, { message: 'User-Agent is required' })
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1]
    if ((this.#tokens.get(token ?? '') ?? 0) <= Date.now()) return json(401, this.#unauthorized())
    const { missingCompanyHeaderStatus, forbiddenCompanyIds } = this.settings
    if (headers['procore-company-id'] !== String(companyId)) return json(missingCompanyHeaderStatus, { message: 'Procore-Company-Id header is missing or wrong' })
    if (this.#isSpent(companyId)) return this.#rateLimited(companyId)
    return forbiddenCompanyIds.includes(companyId) ? json(403, { errors: ['App is not connected to this company.'] }) : undefined
  }

  #unauthorized (): unknown {
    const { unauthorizedKey: key } = this.settings
    return { [key]: 'Invalid Token' }
  }

  #isSpent (companyId: number): boolean {
    const now = Date.now()
    const { rateLimit, rateWindowSeconds } = this.settings
    let window = this.#windows.get(companyId)
    if (window === undefined || window.endsAtMs <= now) {
      window = { endsAtMs: Math.ceil(now / 1000) * 1000 + rateWindowSeconds * 1000, used: 0 }
      this.#windows.set(companyId, window)
    }
    window.used++
    return window.used > rateLimit
  }

  /** `X-Rate-Limit-*` (Procore: Rate Limiting); none before the company's first request. Windows end with a second of the clock. */
  rateHeaders (companyId: number): Record<string, string> {
    const window = this.#windows.get(companyId)
    if (window === undefined) return {}
    const { rateLimit, clockSkewSeconds } = this.settings
    return {
      'x-rate-limit-limit': String(rateLimit),
      'x-rate-limit-remaining': String(Math.max(0, rateLimit - window.used)),
      'x-rate-limit-reset': String(window.endsAtMs / 1000 + clockSkewSeconds),
    }
  }

  #rateLimited (companyId: number): Answer {
    const { rateLimitBody, rateLimitRetryAfter } = this.settings
    const message = 'You have surpassed the max number of requests for an hour. Please wait until your limit resets.'
    const answer = rateLimitBody === 'json' ? json(429, { message }) : { status: 429, headers: { 'content-type': 'text/plain' }, body: message }
    const endsAtMs = this.#windows.get(companyId)?.endsAtMs ?? Date.now()
    if (rateLimitRetryAfter) answer.headers['retry-after'] = String(Math.ceil((endsAtMs - Date.now()) / 1000))
    return answer
  }

  #users (request: Received, companyId: number, rest: string | undefined, url: URL): Answer {
    const known = this.directory.users.get(Number(rest?.split('/')[1]))
    const user = known?.companyId === companyId ? known : undefined
    switch (`${request.method} ${rest === undefined || rest === '/inactive' ? rest ?? '' : rest.replace(/\d+/, 'id')}`) {
      case 'GET ': case 'GET /inactive': return this.#list(companyId, rest, url)
      case 'GET /id': return user === undefined ? notFound() : json(200, present(user, url.origin))
      case 'POST ': return this.#create(request, companyId, url)
      case 'PATCH /id': return user === undefined ? notFound() : this.#update(request, user, url)
      case 'PATCH /id/invite':
        if (user === undefined) return notFound()
        user.invitations++
        return { status: 202, headers: {}, body: '' }
      default: return notFound()
    }
  }

  #create (request: Received, companyId: number, { searchParams: query, origin }: URL): Answer {
    const wish = this.#wish(request)
    if ('status' in wish) return wish
    if (this.#isTooLarge(wish)) return tooLarge
    if (this.settings.takenEmail === 409 && this.directory.isTaken(companyId, wish.values['email_address'])) return json(409, { code: 409, message: 'has already been taken', fields: 'email_address', reason: 'conflict', error: null })
    const errors = this.directory.judge(companyId, wish, this.settings, query.get('run_configurable_validations') === 'true')
    if (Object.keys(errors).length > 0) return json(422, { errors } satisfies { errors: Errors })
    const user = this.directory.add(companyId, wish, this.now())
    request.createdUserId = user.id
    return json(201, present(user, origin))
  }

  #update (request: Received, user: User, { searchParams: query, origin }: URL): Answer {
    const wish = this.#wish(request)
    if ('status' in wish) return wish
    if (this.#isTooLarge(wish)) return tooLarge
    const errors = this.directory.judgeChange(user, wish, this.settings, query.get('run_configurable_validations') === 'true')
    if (Object.keys(errors).length > 0) return json(422, { errors } satisfies { errors: Errors })
    this.directory.change(user, wish, this.now())
    return json(200, present(user, origin))
  }

  #isTooLarge ({ avatar }: Wish): boolean {
    return avatar !== undefined && avatar.length > this.settings.maxAvatarBytes
  }

  #wish (request: Received): Wish | Answer {
    const { headers, body } = request
    const type = headers['content-type'] ?? ''
    if (type.startsWith('application/json')) {
      const record = parseObject(body)?.['user']
      if (!isObject(record)) return json(400, { error: { code: 'BAD_REQUEST', message: 'param is missing or the value is empty: user' } })
      request.json = { user: record }
      return { values: this.directory.read(record) }
    }
    if (!type.startsWith('multipart/form-data')) return json(415, { message: 'Unsupported media type' })
    try {
      request.parts = parseForm(type, body)
    } catch {
      return json(400, { message: 'bad request body' })
    }
    const text = request.parts.filter(({ filename }) => filename === undefined)
    const values = this.directory.read(Object.fromEntries(text.map(({ name, data }) => [/^user\[(\w+)\]$/.exec(name)?.[1] ?? '', data.toString()])))
    const avatar = request.parts.find(({ name, filename }) => name === 'user[avatar]' && filename !== undefined)
    return avatar === undefined ? { values } : { values, avatar: avatar.data }
  }

  #list (companyId: number, rest: string | undefined, url: URL): Answer {
    const wanted = this.directory.list(companyId).filter(user => (user.values['is_active'] === false) === (rest === '/inactive') && matches(user, url.searchParams))
    return pageOf(wanted.map(user => url.searchParams.get('view') === 'ids_only' ? user.id : present(user, url.origin)), url)
  }

  #avatar (id: number): Answer {
    const avatar = this.directory.users.get(id)?.avatar
    return avatar === undefined ? notFound() : { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: avatar }
  }
}

function matches ({ values }: User, query: URLSearchParams): boolean {
  const search = query.get('filters[search]')?.toLowerCase()
  const searched = [values['first_name'], values['last_name'], values['email_address']].map(value => String(value ?? '').toLowerCase())
  if (search !== undefined && !searched.some(value => value.includes(search))) return false
  return ['vendor_id', 'origin_id'].every(name => !query.has(`filters[${name}]`) || String(values[name]) === query.get(`filters[${name}]`))
}

/** The company that a request is about, wherever its path has it. */
export function companyOf (path: string): number | undefined {
  const id = /^\/rest\/v\d\.\d\/(?:companies\/(\d+)\/|vendors\?(?:.*&)?company_id=(\d+)(?:&|$))/.exec(path)?.slice(1).find(match => match !== undefined)
  return id === undefined ? undefined : Number(id)
}

const tooLarge: Answer = { status: 413, headers: { 'content-type': 'text/html' }, body: '<html><h1>413 Request Entity Too Large</h1></html>' }

const notFound = () => json(404, { errors: ['Not found'] })

function parseObject (body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString())
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
