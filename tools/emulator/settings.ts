/** Schemas of the emulator's settings and of the faults that it injects on demand. */
import { Type, type Static } from '@sinclair/typebox'

const milliseconds = Type.Integer({ minimum: 0, maximum: 600_000 })

/** One setting for each behaviour that Procore's documentation leaves open, or that a test has to vary. */
export const SettingsSchema = Type.Object({
  clientId: Type.String(),
  clientSecret: Type.String(),
  /** A second valid secret, as during a rotation; empty: none. */
  nextClientSecret: Type.String(),
  /** Lifetime of an access token: 5400 today; Procore has announced other values before. */
  expiresInSeconds: Type.Integer({ minimum: 1 }),
  /** Status of `invalid_client` (RFC 6749 §5.2): 401, or 400 if the credentials were not sent in a header. */
  invalidClientStatus: Type.Union([Type.Literal(400), Type.Literal(401)]),
  /** Status for an e-mail address that is taken: 409 in Procore's documentation, 422 by the convention of Rails. */
  takenEmail: Type.Union([Type.Literal(409), Type.Literal(422)]),
  /** Requests per company and window. */
  rateLimit: Type.Integer({ minimum: 1 }),
  rateWindowSeconds: Type.Integer({ minimum: 1 }),
  rateLimitBody: Type.Union([Type.Literal('text'), Type.Literal('json')]),
  rateLimitRetryAfter: Type.Boolean(),
  /** The member of a 401 body that contains the reason. */
  unauthorizedKey: Type.Union([Type.Literal('errors'), Type.Literal('error'), Type.Literal('message')]),
  /** Status if `Procore-Company-Id` is missing or not the company of the path. Production was seen to send 404. */
  missingCompanyHeaderStatus: Type.Union([Type.Literal(400), Type.Literal(403), Type.Literal(404)]),
  /** Whether Procore's edge responds with 411 to a body without Content-Length. */
  refuseChunked: Type.Boolean(),
  maxAvatarBytes: Type.Integer({ minimum: 1 }),
  /**
   * The readers of the URL in `avatar`: anybody, or requests with the access token, which are redirected to a signed
   * URL of a storage host. Procore documents the latter for its other files.
   */
  avatarAccess: Type.Union([Type.Literal('open'), Type.Literal('access-token')]),
  /** How much later a request with an avatar is answered, after it was carried out. */
  uploadDelayMs: milliseconds,
  /** Whether texts are trimmed, and e-mail addresses also written in lower case, before they are stored. */
  normalizesText: Type.Boolean(),
  /** The message for a required field that is missing or blank. */
  blankMessage: Type.Union([Type.Literal("can't be blank"), Type.Literal('required')]),
  /** Fields that the company requires in addition if `run_configurable_validations=true`. */
  requiredFields: Type.Array(Type.String()),
  /** Fields that every update must contain. The reference lists `last_name` and `email_address`. */
  updateRequiredFields: Type.Array(Type.String()),
  /** Whether a row of a sync without `id` and without a known `origin_id` updates the user with its e-mail address. */
  syncMatchesEmail: Type.Boolean(),
  /** Every so many rows, a sync carries one out that its response does not mention; 0: none. */
  syncDropsRows: Type.Integer({ minimum: 0 }),
  /** Whether the response of a sync has the rows in another order than the request. */
  syncShuffles: Type.Boolean(),
  /** Companies that the application is not connected to; Procore responds with 403. */
  forbiddenCompanyIds: Type.Array(Type.Integer()),
  /** Companies in the list of companies, except the forbidden ones. Every other company works as well. */
  listedCompanyIds: Type.Array(Type.Integer()),
  /** The projects of every company are 1 to this number. */
  projectCount: Type.Integer({ minimum: 0 }),
  /** Users whom a bulk removal skips, because something else manages them. */
  managedUserIds: Type.Array(Type.Integer()),
  /** How far Procore's clock is ahead of the local clock. */
  clockSkewSeconds: Type.Integer(),
}, { additionalProperties: false })

export type Settings = Static<typeof SettingsSchema>

/** Follows Procore's documentation where it is specific. */
export const defaultSettings: Settings = {
  clientId: 'demo-client',
  clientSecret: 'demo-secret',
  nextClientSecret: '',
  expiresInSeconds: 5400,
  invalidClientStatus: 401,
  takenEmail: 422,
  rateLimit: 3600,
  rateWindowSeconds: 3600,
  rateLimitBody: 'json',
  rateLimitRetryAfter: true,
  unauthorizedKey: 'errors',
  missingCompanyHeaderStatus: 404,
  refuseChunked: false,
  maxAvatarBytes: 67_108_864,
  avatarAccess: 'open',
  uploadDelayMs: 0,
  normalizesText: false,
  blankMessage: "can't be blank",
  requiredFields: ['job_title'],
  updateRequiredFields: [],
  syncMatchesEmail: false,
  syncDropsRows: 0,
  syncShuffles: false,
  forbiddenCompanyIds: [],
  listedCompanyIds: [101, 102, 1234],
  projectCount: 20,
  managedUserIds: [],
  clockSkewSeconds: 0,
}

const FaultTargetSchema = Type.Union([Type.Literal('api'), Type.Literal('token'), Type.Literal('storage')])

export type FaultTarget = Static<typeof FaultTargetSchema>

/** A fault that the emulator injects into one request or several. */
export const InjectedFaultSchema = Type.Object({
  kind: Type.Union([
    /** Delays the response by `delayMs`, or until the faults are cleared. */
    Type.Literal('delay'),
    /** Reads the request, does not carry it out, and responds with `status`, `headers` and `body`. */
    Type.Literal('status'),
    /** Responds before the body is read, discards the rest of the body for `lingerMs`, then closes the connection. */
    Type.Literal('early'),
    /** Resets the connection after the headers. */
    Type.Literal('reset-before-body'),
    /** Resets the connection after `bytes` of the body. */
    Type.Literal('reset-in-body'),
    /** Carries the request out, and resets the connection instead of responding. */
    Type.Literal('reset-after-body'),
    /** Carries the request out, and closes the connection after half of the response body. */
    Type.Literal('truncate'),
    /** Carries the request out, and sends bytes that are not HTTP. */
    Type.Literal('garbage'),
    /** Carries the request out, and sends `raw` instead of a response. */
    Type.Literal('raw'),
    /** Carries the request out, and sends the response body byte by byte, one every `delayMs`. */
    Type.Literal('slow'),
    /** Carries the request out, and never responds. */
    Type.Literal('silence'),
    /** Never reads the body, and never responds. */
    Type.Literal('stall'),
  ]),
  /** Requests to the API (default), to the token endpoint or to the storage host. */
  on: Type.Optional(FaultTargetSchema),
  /** How many requests it applies to; 1 if neither `times` nor `rate` is given. */
  times: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Instead of `times`: the share of requests that it applies to, at random, until the faults are cleared. */
  rate: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
  /** Applies only to requests whose path contains this text. */
  path: Type.Optional(Type.String()),
  method: Type.Optional(Type.String()),
  delayMs: Type.Optional(milliseconds),
  lingerMs: Type.Optional(milliseconds),
  bytes: Type.Optional(Type.Integer({ minimum: 0 })),
  status: Type.Optional(Type.Integer({ minimum: 200, maximum: 599 })),
  body: Type.Optional(Type.String()),
  headers: Type.Optional(Type.Record(Type.String(), Type.String())),
  raw: Type.Optional(Type.String()),
}, { additionalProperties: false })

export type InjectedFault = Static<typeof InjectedFaultSchema>
