/** What the emulator can be told: how Procore's undocumented facts turn out, and which faults it has on demand. */
import { Type, type Static } from '@sinclair/typebox'

/** What stands for one Procore: a setting for each fact that its documentation leaves open, or that a test has to vary. */
export const SettingsSchema = Type.Object({
  clientId: Type.String(),
  clientSecret: Type.String(),
  /** Another one that is valid beside it, while secrets are changed; empty: none. */
  nextClientSecret: Type.String(),
  /** Life of a token; 5400 today, and announced otherwise before. */
  expiresInSeconds: Type.Integer({ minimum: 1 }),
  /** The status of `invalid_client`: 401 by RFC 6749, 400 where no credentials were in a header. */
  invalidClientStatus: Type.Union([Type.Literal(400), Type.Literal(401)]),
  /** A taken e-mail is 409 by the documentation and 422 by Rails' custom. */
  takenEmail: Type.Union([Type.Literal(409), Type.Literal(422)]),
  /** Requests of one company in one window. */
  rateLimit: Type.Integer({ minimum: 1 }),
  rateWindowSeconds: Type.Integer({ minimum: 1 }),
  rateLimitBody: Type.Union([Type.Literal('text'), Type.Literal('json')]),
  rateLimitRetryAfter: Type.Boolean(),
  /** The key under which a 401 tells its reason. */
  unauthorizedKey: Type.Union([Type.Literal('errors'), Type.Literal('error'), Type.Literal('message')]),
  missingCompanyHeaderStatus: Type.Union([Type.Literal(400), Type.Literal(403)]),
  /** Whether the edge answers 411 to a body without Content-Length. */
  refuseChunked: Type.Boolean(),
  maxAvatarBytes: Type.Integer({ minimum: 1 }),
  /** Fields that the company itself requires when `run_configurable_validations=true`. */
  requiredFields: Type.Array(Type.String()),
  /** Companies that the application is not connected to: 403. */
  forbiddenCompanyIds: Type.Array(Type.Integer()),
  /** How far Procore's clock is ahead of this machine's. */
  clockSkewSeconds: Type.Integer(),
}, { additionalProperties: false })

/** All of them; what a program or a test leaves out is as in `defaultSettings`. */
export type Settings = Static<typeof SettingsSchema>

/** As Procore's documentation has it, as far as it says. */
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
  missingCompanyHeaderStatus: 400,
  refuseChunked: false,
  maxAvatarBytes: 67_108_864,
  requiredFields: ['job_title'],
  forbiddenCompanyIds: [],
  clockSkewSeconds: 0,
}

const milliseconds = Type.Integer({ minimum: 0, maximum: 600_000 })

/** Something that goes wrong with one request or with many. */
export const InjectedFaultSchema = Type.Object({
  kind: Type.Union([
    /** The answer comes late. */
    Type.Literal('delay'),
    /** `status`, `body` and `headers` are answered once the request was read, and nothing is done. */
    Type.Literal('status'),
    /** The same before the body is read; what still comes is thrown away for `lingerMs`, then the connection is closed. */
    Type.Literal('early'),
    /** The connection is reset when the headers are in. */
    Type.Literal('reset-before-body'),
    /** The connection is reset in the middle of the body, after `bytes`. */
    Type.Literal('reset-in-body'),
    /** The request is served, and the connection is reset instead of the answer. */
    Type.Literal('reset-after-body'),
    /** The request is served, and half of the answer is sent before the connection is reset. */
    Type.Literal('truncate'),
    /** The request is served, and bytes that are not HTTP are sent. */
    Type.Literal('garbage'),
    /** The request is served, and `raw` is sent instead of the answer. */
    Type.Literal('raw'),
    /** The request is served, and its answer comes byte by byte. */
    Type.Literal('slow'),
    /** The request is served, and never answered. */
    Type.Literal('silence'),
    /** The body is not read at all. */
    Type.Literal('stall'),
  ]),
  on: Type.Optional(Type.Union([Type.Literal('api'), Type.Literal('token')])),
  /** How many requests it strikes; 1 when neither this nor a rate is given. */
  times: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Instead: the part of the requests that it strikes, at random, until the faults are cleared. */
  rate: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
  /** Strikes only requests whose path holds this. */
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

/** One fault, as a test or a request to the emulator's own routes orders it. */
export type InjectedFault = Static<typeof InjectedFaultSchema>
