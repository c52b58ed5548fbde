/** Builds Procore's responses to complete requests: access tokens, users, avatars and the lists of a company. */
import { randomBytes } from 'node:crypto'
import { Catalog } from './catalog.ts'
import { Directory, serializeUser, type ErrorsByField, type UserAttributes } from './directory.ts'
import { isObject, parseObject } from './json.ts'
import { parseMultipart } from './multipart.ts'
import { paginate } from './pagination.ts'
import type { ReceivedRequest } from './recorder.ts'
import { ProjectUsers } from './project-users.ts'
import { jsonResponse, notFoundResponse, type EmulatedResponse } from './response.ts'
import type { Settings } from './settings.ts'
import { avatarResponse, EmulatedStorage } from './storage.ts'
import { syncUsers } from './sync.ts'
import type { User } from './user-map.ts'

/** The parts of Procore that the service uses: REST API and token endpoint (client credentials, RFC 6749 §4.4). */
export class EmulatedApi {
  settings: Settings
  readonly directory = new Directory()
  readonly storage = new EmulatedStorage(this.directory)
  readonly projectUsers = new ProjectUsers(this.directory)
  readonly #catalog = new Catalog()
  readonly #accessTokens = new Map<string, number>()
  readonly #rateLimitWindows = new Map<number, { endsAtMs: number, used: number }>()

  constructor (settings: Settings) {
    this.settings = settings
  }

  /** Returns the time of Procore's clock, which may differ from the local one. */
  now (): Date {
    return new Date(Date.now() + this.settings.clockSkewSeconds * 1000)
  }

  /** Revokes every access token: requests with one get 401. */
  revokeAccessTokens (): void {
    this.#accessTokens.clear()
  }

  /**
   * @param origin of the emulator, for links in responses
   * @param storageOrigin of the storage host, for redirects
   */
  respond (request: ReceivedRequest, origin: string, storageOrigin: string): EmulatedResponse {
    const url = new URL(request.path, origin)
    const { pathname } = url
    if (pathname === '/oauth/token') {
      return request.method === 'POST' ? this.#issueAccessToken(request) : jsonResponse(404, { error: 'Not found' })
    }
    const avatarMatch = /^\/avatars\/(\d+)$/.exec(pathname)
    if (avatarMatch !== null) return this.#getAvatar(request, Number(avatarMatch[1]), storageOrigin)
    if (pathname === '/rest/v1.0/me') {
      return this.#checkAccessToken(request) ?? jsonResponse(200, serviceAccount)
    }
    if (pathname === '/rest/v1.0/companies') return this.#checkAccessToken(request) ?? this.#listCompanies(url)
    const companyId = parseCompanyId(request.path)
    if (companyId === undefined) return notFoundResponse()
    return this.#checkRequest(request, companyId) ?? this.#route(request, companyId, url)
  }

  #listCompanies (url: URL): EmulatedResponse {
    const { listedCompanyIds, forbiddenCompanyIds } = this.settings
    const ids = listedCompanyIds.filter(id => !forbiddenCompanyIds.includes(id))
    return paginate(ids.map(id => ({ id, name: `Company ${id}`, is_active: true })), url)
  }

  #route (request: ReceivedRequest, companyId: number, url: URL): EmulatedResponse {
    const usersMatch = /^\/rest\/v1\.[03]\/companies\/\d+\/users(\/inactive(?:\/\d+)?|\/\d+(?:\/invite)?|\/sync)?$/.exec(url.pathname)
    if (usersMatch !== null) return this.#handleUsers(request, companyId, usersMatch[1] ?? '', url)
    if (/^\/rest\/v1\.3\/companies\/\d+\/me$/.test(url.pathname)) {
      const { login, ...user } = serviceAccount
      const isAllowed = request.method === 'GET'
      return isAllowed ? jsonResponse(200, { ...user, email_address: login, is_active: true }) : notFoundResponse()
    }
    const bulkMatch = /^\/rest\/v2\.0\/companies\/\d+\/users\/(bulk.+)$/.exec(url.pathname)
    if (bulkMatch !== null) {
      return this.projectUsers.respond(request, companyId, bulkMatch[1] ?? '', this.settings)
    }
    return this.#catalog.respond(request, companyId, url, this.settings)
  }

  #issueAccessToken ({ headers, body }: ReceivedRequest): EmulatedResponse {
    const isJson = headers['content-type']?.startsWith('application/json') === true
    const fields = isJson ? new Map(Object.entries(parseObject(body) ?? {})) : new URLSearchParams(body.toString())
    if (fields.get('grant_type') !== 'client_credentials') return jsonResponse(400, { error: 'unsupported_grant_type' })
    const { clientId, clientSecret, nextClientSecret, invalidClientStatus, expiresInSeconds } = this.settings
    const secrets = [clientSecret, nextClientSecret].filter(secret => secret !== '')
    if (fields.get('client_id') !== clientId || !secrets.includes(String(fields.get('client_secret')))) {
      return jsonResponse(invalidClientStatus, {
        error: 'invalid_client',
        error_description: 'Client authentication failed due to unknown client.',
      })
    }
    const accessToken = `eyJ.${randomBytes(600).toString('base64url')}.${randomBytes(32).toString('base64url')}`
    this.#accessTokens.set(accessToken, Date.now() + expiresInSeconds * 1000)
    return jsonResponse(200, {
      access_token: accessToken,
      token_type: 'bearer',
      expires_in: expiresInSeconds,
      created_at: Math.floor(this.now().getTime() / 1000),
    })
  }

  /** Returns the error response to a request that is refused before its body is parsed. */
  #checkRequest (request: ReceivedRequest, companyId: number): EmulatedResponse | undefined {
    const { headers } = request
    if (headers['user-agent'] === undefined) return jsonResponse(400, { message: 'User-Agent is required' })
    const unauthorized = this.#checkAccessToken(request)
    if (unauthorized !== undefined) return unauthorized
    const { missingCompanyHeaderStatus, forbiddenCompanyIds } = this.settings
    if (headers['procore-company-id'] !== String(companyId)) {
      return missingCompanyHeaderStatus === 404
        ? jsonResponse(404, { errors: 'Item not found' })
        : jsonResponse(missingCompanyHeaderStatus, { message: 'Procore-Company-Id header is missing or wrong' })
    }
    if (this.#exceedsRateLimit(companyId)) return this.#rateLimitResponse(companyId)
    if (!forbiddenCompanyIds.includes(companyId)) return undefined
    return jsonResponse(403, { errors: ['App is not connected to this company.'] })
  }

  #checkAccessToken ({ headers }: ReceivedRequest): EmulatedResponse | undefined {
    const accessToken = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1]
    const expiresAtMs = this.#accessTokens.get(accessToken ?? '') ?? 0
    const { unauthorizedKey } = this.settings
    return expiresAtMs > Date.now() ? undefined : jsonResponse(401, { [unauthorizedKey]: 'Invalid Token' })
  }

  /** Counts the request in the company's window. Windows end on a full second, because the header has no fraction. */
  #exceedsRateLimit (companyId: number): boolean {
    const now = Date.now()
    const { rateLimit, rateWindowSeconds } = this.settings
    let window = this.#rateLimitWindows.get(companyId)
    if (window === undefined || window.endsAtMs <= now) {
      window = { endsAtMs: Math.ceil(now / 1000) * 1000 + rateWindowSeconds * 1000, used: 0 }
      this.#rateLimitWindows.set(companyId, window)
    }
    window.used++
    return window.used > rateLimit
  }

  /** Returns `X-Rate-Limit-*` (Procore: Rate Limiting), or no headers before the company's first request. */
  rateLimitHeaders (companyId: number): Record<string, string> {
    const window = this.#rateLimitWindows.get(companyId)
    if (window === undefined) return {}
    const { rateLimit, clockSkewSeconds } = this.settings
    return {
      'x-rate-limit-limit': String(rateLimit),
      'x-rate-limit-remaining': String(Math.max(0, rateLimit - window.used)),
      'x-rate-limit-reset': String(window.endsAtMs / 1000 + clockSkewSeconds),
    }
  }

  #rateLimitResponse (companyId: number): EmulatedResponse {
    const { rateLimitBody, rateLimitRetryAfter } = this.settings
    const message = 'You have surpassed the max number of requests for an hour. Please wait until your limit resets.'
    const response = rateLimitBody === 'json'
      ? jsonResponse(429, { message })
      : { status: 429, headers: { 'content-type': 'text/plain' }, body: message }
    const endsAtMs = this.#rateLimitWindows.get(companyId)?.endsAtMs ?? Date.now()
    if (rateLimitRetryAfter) response.headers['retry-after'] = String(Math.ceil((endsAtMs - Date.now()) / 1000))
    return response
  }

  #handleUsers (request: ReceivedRequest, companyId: number, subpath: string, url: URL): EmulatedResponse {
    const candidate = this.directory.users.get(Number(/\d+/.exec(subpath)?.[0]))
    const user = candidate?.companyId === companyId ? candidate : undefined
    switch (`${request.method} ${subpath.replace(/\d+/, 'id')}`) {
      case 'GET ': return this.#listUsers(companyId, url, true)
      case 'GET /inactive': return this.#listUsers(companyId, url, false)
      case 'GET /id':
        return user === undefined ? notFoundResponse() : jsonResponse(200, serializeUser(user, url.origin))
      case 'POST ': return this.#createUser(request, companyId, url)
      case 'PATCH /sync': return this.#syncUsers(request, companyId, url)
      case 'PATCH /id': return user === undefined ? notFoundResponse() : this.#updateUser(request, user, url)
      case 'PATCH /inactive/id': return this.#reactivateUser(user, url)
      case 'PATCH /id/invite':
        if (user === undefined) return notFoundResponse()
        user.invitations++
        return { status: 202, headers: {}, body: '' }
      default: return notFoundResponse()
    }
  }

  #createUser (request: ReceivedRequest, companyId: number, { searchParams: query, origin }: URL): EmulatedResponse {
    const attributes = this.#getAttributes(request)
    if ('status' in attributes) return attributes
    if (this.#isAvatarTooLarge(attributes)) return tooLargeResponse
    const isEmailTaken = this.directory.isEmailTaken(companyId, attributes.values['email_address'])
    if (this.settings.takenEmail === 409 && isEmailTaken) return jsonResponse(409, emailConflict)
    const errors = this.directory.validate(companyId, attributes, this.settings, enforcesRequiredFields(query))
    if (Object.keys(errors).length > 0) return jsonResponse(422, { errors } satisfies { errors: ErrorsByField })
    const user = this.directory.add(companyId, attributes, this.now())
    request.createdUserId = user.id
    return jsonResponse(201, serializeUser(user, origin))
  }

  #updateUser (request: ReceivedRequest, user: User, { searchParams: query, origin }: URL): EmulatedResponse {
    const attributes = this.#getAttributes(request)
    if ('status' in attributes) return attributes
    if (this.#isAvatarTooLarge(attributes)) return tooLargeResponse
    const errors = this.directory.validateUpdate(user, attributes, this.settings, enforcesRequiredFields(query))
    if (Object.keys(errors).length > 0) return jsonResponse(422, { errors } satisfies { errors: ErrorsByField })
    this.directory.update(user, attributes, this.now())
    return jsonResponse(200, serializeUser(user, origin))
  }

  #syncUsers ({ body }: ReceivedRequest, companyId: number, { origin }: URL): EmulatedResponse {
    const { directory, settings } = this
    return syncUsers(parseObject(body)?.['updates'], { directory, settings, companyId, origin, now: this.now() })
  }

  /** A user that is active already is not among the inactive ones. */
  #reactivateUser (user: User | undefined, { origin }: URL): EmulatedResponse {
    if (user?.values['is_active'] !== false) return notFoundResponse()
    this.directory.update(user, { values: { is_active: true } }, this.now())
    return jsonResponse(200, serializeUser(user, origin))
  }

  #isAvatarTooLarge ({ avatar }: UserAttributes): boolean {
    return avatar !== undefined && avatar.length > this.settings.maxAvatarBytes
  }

  #getAttributes ({ headers, json, parts }: ReceivedRequest): UserAttributes | EmulatedResponse {
    const contentType = headers['content-type'] ?? ''
    if (contentType.startsWith('application/json')) {
      if (json === undefined) return jsonResponse(400, missingUser)
      return { values: this.directory.castFields(json.user, this.settings) }
    }
    if (!contentType.startsWith('multipart/form-data')) return jsonResponse(415, { message: 'Unsupported media type' })
    if (parts === undefined) return jsonResponse(400, { message: 'bad request body' })
    const textParts = parts.filter(({ filename }) => filename === undefined)
    const record = Object.fromEntries(textParts.map(({ name, data }) => [parseFieldName(name), data.toString()]))
    const values = this.directory.castFields(record, this.settings)
    const avatar = parts.find(({ name, filename }) => name === 'user[avatar]' && filename !== undefined)
    return avatar === undefined ? { values } : { values, avatar: avatar.data }
  }

  #listUsers (companyId: number, url: URL, isActive: boolean): EmulatedResponse {
    const matching = this.directory.list(companyId)
      .filter(user => (user.values['is_active'] !== false) === isActive && matchesFilters(user, url.searchParams))
    const isIdsOnly = url.searchParams.get('view') === 'ids_only'
    return paginate(matching, url, user => isIdsOnly ? user.id : serializeUser(user, url.origin))
  }

  #getAvatar (request: ReceivedRequest, id: number, storageOrigin: string): EmulatedResponse {
    const isOpen = this.settings.avatarAccess === 'open'
    const unauthorized = isOpen ? undefined : this.#checkAccessToken(request)
    if (unauthorized !== undefined) return unauthorized
    const avatar = this.directory.users.get(id)?.avatar
    if (avatar === undefined) return notFoundResponse()
    if (isOpen) return avatarResponse(avatar)
    return { status: 302, headers: { location: `${storageOrigin}${this.storage.signPath(id)}` }, body: '' }
  }
}

/** Parses the body, and records its user or its parts. A body that cannot be parsed has neither. */
export function parseBody (request: ReceivedRequest): void {
  const { headers, body } = request
  const contentType = headers['content-type'] ?? ''
  if (contentType.startsWith('application/json')) {
    const user = parseObject(body)?.['user']
    if (isObject(user)) request.json = { user }
  } else if (contentType.startsWith('multipart/form-data')) {
    try {
      request.parts = parseMultipart(contentType, body)
    } catch {
      delete request.parts
    }
  }
}

function matchesFilters ({ values, createdAt, updatedAt }: User, query: URLSearchParams): boolean {
  const search = query.get('filters[search]')?.toLowerCase()
  const searchedValues = [values['first_name'], values['last_name'], values['email_address']]
  const isFound = (text: string) => searchedValues.some(value => String(value ?? '').toLowerCase().includes(text))
  if (search !== undefined && !isFound(search)) return false
  const hasValues = ['vendor_id', 'origin_id'].every(name => {
    const expected = query.get(`filters[${name}]`)
    return expected === null || String(values[name] ?? '') === expected
  })
  return hasValues &&
    isWithin(createdAt, query.get('filters[created_at]')) && isWithin(updatedAt, query.get('filters[updated_at]'))
}

/** @param range a start, or a start and an end separated by `...` */
function isWithin (time: string, range: string | null): boolean {
  const [start, end] = (range ?? '').split('...').map(bound => Date.parse(bound))
  const timeMs = Date.parse(time)
  return range === null || (timeMs >= (start ?? NaN) && (end === undefined || timeMs <= end))
}

const enforcesRequiredFields = (query: URLSearchParams) => query.get('run_configurable_validations') === 'true'

const parseFieldName = (partName: string) => /^user\[(\w+)\]$/.exec(partName)?.[1] ?? ''

/** Returns the company id of a request, which is in the path or, for vendors, in the query. */
export function parseCompanyId (path: string): number | undefined {
  const match = /^\/rest\/v\d\.\d\/(?:companies\/(\d+)\/|vendors\?(?:.*&)?company_id=(\d+)(?:&|$))/.exec(path)
  const id = match?.[1] ?? match?.[2]
  return id === undefined ? undefined : Number(id)
}

/** The user of the access tokens. */
const serviceAccount = { id: 1, login: 'service@example.com', name: 'Service' }

const emailConflict = {
  code: 409,
  message: 'has already been taken',
  fields: 'email_address',
  reason: 'conflict',
  error: null,
}

const missingUser = { error: { code: 'BAD_REQUEST', message: 'param is missing or the value is empty: user' } }

const tooLargeResponse: EmulatedResponse = {
  status: 413,
  headers: { 'content-type': 'text/html' },
  body: '<html><h1>413 Request Entity Too Large</h1></html>',
}
