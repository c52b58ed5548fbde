// Values are generated from every request schema of both OpenAPI documents. The service accepts exactly those that an
// independent validator of JSON Schema accepts.
import Fastify from 'fastify'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import type { Endpoint } from '../../src/endpoints/endpoint.ts'
import { createEndpoints } from '../../src/endpoints/index.ts'
import {
  boolean, companyParams, date, dateRange, dateTime, decimal, id, ids, line, nonNegativeInteger, oneOf, text,
} from '../../src/endpoints/fields.ts'
import { Random } from '../helpers/random.ts'
import { boundary, multipartBody, send, type TestResponse } from '../helpers/requests.ts'
import { resolveReferences } from '../helpers/resolve-references.ts'
import { startService } from '../helpers/service.ts'

interface Schema {
  type?: string | string[]
  format?: string
  enum?: unknown[]
  minimum?: number
  maximum?: number
  minItems?: number
  maxItems?: number
  maxLength?: number
  pattern?: string
  items?: Schema
  anyOf?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  contentMediaType?: string
  additionalProperties?: boolean
}

interface MediaType {
  schema: Schema
  example?: Record<string, unknown>
  examples?: Record<string, { value: Record<string, unknown> }>
}

interface Operation {
  tags?: string[]
  parameters?: Array<{ name: string, in: 'path' | 'query' | 'header', required?: boolean, schema: Schema }>
  requestBody?: { content: Record<string, MediaType> }
}

const parseDocument: (json: string) => { paths: Record<string, Record<string, Operation>> } = JSON.parse
/** Requests for the parameters of an operation, and for each media type of its body. */
const [parameterCases, bodyCases] = [10, 40]
/** Requests for a body under Procore's own path, where its schema is the same. */
const repeatedBodyCases = 5
const jsonHeaders = { 'content-type': 'application/json' }
const formHeaders = { 'content-type': `multipart/form-data; boundary=${boundary}` }
const description = 'A test.'

/** Fields of every kind, required and optional. */
const everyKind = {
  line: line({ description }),
  text: text({ description }),
  integer: id({ description }),
  extension: nonNegativeInteger({ description }),
  decimal: decimal({ description }),
  date: date({ description }),
  date_time: dateTime({ description }),
  range: dateRange({ description }),
  choice: oneOf(['a', 'b'], { description }),
  flag: boolean({ description }),
  ids: ids({ description }),
  lines: Type.Array(line({ description }), { maxItems: 100, description }),
  bounded: Type.Integer({ minimum: 5, maximum: 9 }),
  below: Type.Number({ minimum: -9, maximum: -0.5 }),
}
const optional = Type.Partial(Type.Object(everyKind))
const common = { params: companyParams, summary: 'Test', description, success: { status: 200, description } } as const
const testEndpoints: Endpoint[] = [
  {
    ...common,
    name: 'required-fields',
    path: '/companies/:company_id/required',
    procorePath: '/rest/v1.0/companies/:company_id/required',
    method: 'PUT',
    effect: 'idempotent',
    query: Type.Object({}),
    body: { rootKey: 'record', fields: Type.Object(everyKind), dependencies: [] },
  },
  {
    ...common,
    name: 'optional-fields',
    path: '/companies/:company_id/optional',
    procorePath: '/rest/v1.0/companies/:company_id/optional',
    method: 'PATCH',
    effect: 'idempotent',
    query: optional,
    body: {
      rootKey: 'record', fields: optional, dependencies: [], nullMeaning: { kind: 'cleared', exceptFields: ['line'] },
    },
  },
]

/** Parameters of every kind that a path may have. */
const parametersEndpoint: Endpoint = {
  ...common,
  name: 'every-parameter',
  path: '/companies/:company_id/:code/:extension/:decimal/:date/:choice/:flag',
  procorePath: '/rest/v1.0/companies/:company_id/:code/:extension/:decimal/:date/:choice/:flag',
  method: 'DELETE',
  effect: 'idempotent',
  params: Type.Object({
    ...companyParams.properties,
    code: Type.String({ pattern: '^[A-Za-z]{1,20}$', description, examples: ['a'] }),
    extension: everyKind.extension,
    decimal: everyKind.decimal,
    date: everyKind.date,
    choice: everyKind.choice,
    flag: everyKind.flag,
  }),
  query: Type.Object({}),
}

/** Records in a record, and records in them. */
const withNested = {
  name: line({ description }),
  one: Type.Object(everyKind, { description }),
  many: Type.Optional(Type.Array(Type.Object({
    line: line({ description }),
    extension: Type.Optional(nonNegativeInteger({ description })),
    deep: Type.Optional(optional),
  }), { maxItems: 100, description })),
}
const nestedEndpoints: Endpoint[] = [
  {
    ...common,
    name: 'nested-records',
    path: '/companies/:company_id/nested',
    procorePath: '/rest/v1.0/companies/:company_id/nested',
    method: 'PUT',
    effect: 'idempotent',
    query: Type.Object({}),
    body: { rootKey: 'record', fields: Type.Object(withNested), dependencies: [] },
  },
  {
    ...common,
    name: 'optional-nested-records',
    path: '/companies/:company_id/optional-nested',
    procorePath: '/rest/v1.0/companies/:company_id/optional-nested',
    method: 'PATCH',
    effect: 'idempotent',
    query: Type.Object({}),
    body: {
      rootKey: 'record',
      fields: Type.Partial(Type.Object(withNested)),
      dependencies: [],
      nullMeaning: { kind: 'cleared', exceptFields: ['one'] },
    },
  },
]

const listEndpoint: Endpoint = {
  ...common,
  name: 'list-of-records',
  path: '/companies/:company_id/list',
  procorePath: '/rest/v1.0/companies/:company_id/list',
  method: 'PUT',
  effect: 'idempotent',
  query: Type.Object({}),
  body: {
    rootKey: 'records',
    maxItems: 4,
    record: { fields: Type.Object(everyKind), dependencies: [] },
    existing: {
      idField: 'id',
      record: {
        fields: Type.Object({
          id: id({ description }), ...optional.properties, nested: Type.Optional(Type.Object(everyKind)),
        }),
        dependencies: [],
        nullMeaning: { kind: 'cleared', exceptFields: ['line'] },
      },
    },
  },
}

/** Valid and invalid texts of each format. None is a matter of opinion between validators. */
const textsByFormat: Readonly<Record<string, { valid: readonly string[], invalid: readonly string[] }>> = {
  email: { valid: ['a@example.com', 'a.b+c@mail.example.com'], invalid: ['', 'a', 'a@', '@b.com', 'a b@example.com'] },
  date: { valid: ['2024-02-29', '1999-12-31'], invalid: ['', '2023-02-29', '2024-2-1', '2024-02-29T00:00:00Z'] },
  'date-time': {
    valid: ['2024-02-29T23:59:59Z', '2024-01-01T00:00:00.5+02:00', '2016-12-31T23:59:60Z'],
    invalid: ['', '2024-02-29', 'x', '2016-12-31T12:59:60Z', '2024-01-01T24:00:00Z'],
  },
  'iso-8601-range': { valid: ['2024-02-29', '2024-01-01...2024-02-01'], invalid: ['', 'x', '2024-01-01...'] },
  'iso-3166-1-alpha-2': { valid: ['US', 'DE'], invalid: ['', 'us', 'UK', 'USA'] },
  'iso-3166-2-subdivision': { valid: ['CA', 'BY', 'NSW'], invalid: ['', 'ca', 'US-CA'] },
}
const texts = ['a', ' a ', 'ä\u{1f600}', 'a\tb', '', ' ', '\t', '\u00a0', 'a\nb', 'a\r\n', '\n', 'a\0', '\0']
const numbers = [0, 1, 7, -1, 1.5, -0.25, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 1e16, -1e16]
const others = [null, true, false, 'x', 5000, [], {}, [1], ['a'], [null], [[]]]

const random = new Random(22)
const pickFrom = <T>(values: readonly T[]): T | undefined => values[random.below(values.length)]
const allowsType = ({ type = [] }: Schema, name: string) => type === name || type.includes(name)

/** Generates a value that is valid in most cases, and otherwise almost valid or of another type. */
function generate (schema: Schema): unknown {
  if (random.chance(0.04)) return pickFrom(others)
  if (schema.anyOf !== undefined) return generate(pickFrom(schema.anyOf) ?? {})
  if (schema.properties !== undefined) return generateRecord(schema, schema.properties)
  if (schema.items !== undefined) {
    const { items } = schema
    const length = pickFrom([0, 1, 2, 3, schema.maxItems ?? 3, (schema.maxItems ?? 2) + 1]) ?? 0
    const isValid = length > 3 || random.chance(0.8)
    return Array.from({ length }, () => isValid ? generateValid(items) : generate(items))
  }
  if (random.chance(0.85)) return generateValid(schema)
  if (schema.enum !== undefined) return pickFrom(['', 'c', 'A', ...schema.enum])
  if (schema.format !== undefined) return pickFrom(textsByFormat[schema.format]?.invalid ?? [])
  if (allowsType(schema, 'string')) return pickFrom(texts)
  return allowsType(schema, 'boolean') ? random.chance(0.5) : pickFrom(numbers)
}

function generateValid (schema: Schema): unknown {
  if (schema.type === 'null') return null
  if (schema.enum !== undefined) return pickFrom(schema.enum)
  if (schema.anyOf !== undefined) return generateValid(pickFrom(schema.anyOf) ?? {})
  if (schema.properties !== undefined) return generateValidRecord(schema.properties)
  if (schema.items !== undefined) return [generateValid(schema.items)]
  if (schema.format !== undefined) return pickFrom(textsByFormat[schema.format]?.valid ?? [])
  if (allowsType(schema, 'string')) {
    const { maxLength, pattern = '' } = schema
    const codes = ['AB', '12'].filter(text => new RegExp(pattern).test(text))
    return pickFrom(maxLength === undefined ? codes : texts.slice(0, 4))
  }
  if (allowsType(schema, 'boolean')) return random.chance(0.5)
  const { minimum = 0, maximum = 1 } = schema
  return pickFrom([minimum, maximum, Math.max(minimum, Math.min(1, maximum))])
}

function generateRecord ({ required = [] }: Schema, properties: Record<string, Schema>): Record<string, unknown> {
  const record: Record<string, unknown> = {}
  // Most bodies have few fields, so that most of them are valid.
  const share = pickFrom([0, 0.1, 0.3, 1]) ?? 0
  for (const [name, schema] of Object.entries(properties)) {
    if (schema.contentMediaType !== undefined) continue
    const isGiven = required.includes(name) ? !random.chance(0.03) : random.chance(share)
    if (isGiven) record[name] = random.chance(0.8) ? generateValidOrRecord(schema) : generate(schema)
  }
  if (random.chance(0.1)) record['unknown'] = 1
  return record
}

const generateValidOrRecord = (schema: Schema) =>
  schema.properties === undefined ? generateValid(schema) : generate(schema)

const reference = Fastify({
  ajv: {
    customOptions: {
      coerceTypes: false,
      removeAdditional: false,
      useDefaults: false,
      strict: false,
      formats: Object.fromEntries(Object.entries(textsByFormat).map(([name, { valid }]) =>
        [name, (value: string) => valid.includes(value)] as const)),
    },
  },
})
/** Compiles a schema by Ajv, which Fastify offers in requests only. */
let compile: (schema: Schema) => (value: unknown) => boolean = () => () => false
reference.get('/', async request => {
  compile = schema => {
    const validate = request.compileValidationSchema({ ...schema })
    return value => validate(value)
  }
})
await reference.inject('/')
t.teardown(() => reference.close())

const endpoints = createEndpoints({ stateCodes: 'iso', permissionTemplateIds: new Set() })
const service = await startService(t, {
  // A list with the most rows that the document allows.
  env: { JSON_MAX_BYTES: '8000000' },
  endpoints: [...endpoints, ...testEndpoints, parametersEndpoint, ...nestedEndpoints, listEndpoint],
})
for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
  service.emulator.faults.add({ kind: 'status', status: 200, body: '{"id":1}', method, rate: 1 })
}

const methods = { get: 'GET', post: 'POST', put: 'PUT', patch: 'PATCH', delete: 'DELETE' } as const
const isMethod = (name: string): name is keyof typeof methods => name in methods

/** Returns the operations that have an endpoint. */
async function getOperations (documentPath: string) {
  const served = await send(`${service.url}${documentPath}`, { method: 'GET' })
  const { paths } = parseDocument(JSON.stringify(resolveReferences(served.json)))
  return Object.entries(paths).flatMap(([path, operations]) => {
    return Object.entries(operations).flatMap(([name, operation]) => {
      return isMethod(name) && operation.tags?.includes('directory') ? [{ path, method: methods[name], operation }] : []
    })
  })
}

/** Whether the request passed validation. JSON Schema has no rules between fields. */
function isAccepted ({ status, json: { code, errors = [] } }: TestResponse): boolean {
  if (code === 'validation_failed') return errors.every(({ rule }) => rule === 'dependency')
  // The router matches no empty parameter.
  if (code === 'not_found') return false
  // The directory is empty.
  if (status < 300 || code === 'procore_rejected') return true
  throw new Error(`Unexpected response: ${status} ${String(code)}`)
}

/** Converts a text of a form or query to the value that it stands for, if there is one. */
function parseText ({ type, items }: Schema, text: string): unknown {
  if (items !== undefined) return parseText(items, text)
  if (type === 'integer' && /^-?\d+$/.test(text)) return Number(text)
  if (type === 'number' && /^-?\d+(\.\d+)?$/.test(text)) return Number(text)
  return type === 'boolean' && /^(true|false)$/.test(text) ? text === 'true' : text
}

const isScalar = (value: unknown) => typeof value !== 'object'

/** Items of a list. Two of the largest lists would be too many parts, or too long a URL. */
const itemsMax = 3

/** The texts of a generated record, and the typed record that they stand for. */
function toTexts (record: Record<string, unknown>, properties: Record<string, Schema>) {
  const pairs: Array<readonly [string, string]> = []
  const typed: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(record)) {
    const schema = properties[name] ?? {}
    const isList = schema.items !== undefined
    const values: unknown[] = isList && Array.isArray(value) ? value.slice(0, itemsMax) : [value]
    const texts = values.filter(isScalar).map(String)
    if (texts.length === 0) continue
    pairs.push(...texts.map(text => [name, text] as const))
    typed[name] = isList ? texts.map(text => parseText(schema, text)) : parseText(schema, texts.join())
  }
  return { pairs, typed }
}

/** Sends generated requests, and compares whether they are accepted. */
async function compare (count: number, next: () => { expected: boolean, sent: Promise<TestResponse>, shown: unknown }) {
  const wrong: unknown[] = []
  const counts = { accepted: 0, refused: 0 }
  for (let index = 0; index < count; index++) {
    const { expected, sent, shown } = next()
    const response = await sent
    if (isAccepted(response) !== expected) wrong.push({ expected, shown, errors: response.json.errors })
    counts[expected ? 'accepted' : 'refused']++
  }
  return { wrong: wrong.slice(0, 3), ...counts }
}

const getPathNames = (path: string) => [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)

/** Builds the URL of a request. A parameter of the path that was not generated is valid. */
function buildUrl (path: string, pairs: ReadonlyArray<readonly [string, string]> = []): string {
  const inPath = new Map(pairs)
  const inQuery = new URLSearchParams(pairs.filter(([name]) => !path.includes(`{${name}}`)).map(pair => [...pair]))
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(inPath.get(name) ?? '101'))
  return `${service.url}${filled}?${inQuery.toString()}`
}

/** A browser sends an empty text for an input without a value. For a plain text it is a value. */
const isUntouched = ({ type, format, enum: values }: Schema) =>
  type !== 'string' || format !== undefined || values !== undefined

/** Returns a record with all fields, but without files. */
function generateValidRecord (properties: Record<string, Schema>): Record<string, unknown> {
  const fields = Object.entries(properties).filter(([, { contentMediaType }]) => contentMediaType === undefined)
  return Object.fromEntries(fields.map(([name, field]) => [name, generateValid(field)]))
}

/** Returns a valid body of the first type that the operation has. */
function buildValidBody (json: Schema | undefined, multipart: Schema | undefined, csv: Schema | undefined) {
  if (csv !== undefined) return { headers: { 'content-type': 'text/csv' }, body: 'last_name,email_address\n' }
  if (json !== undefined) return { headers: jsonHeaders, body: JSON.stringify(generateValid(json)) }
  if (multipart === undefined) return { headers: {}, body: '' }
  const { properties = {} } = multipart
  const { pairs } = toTexts(generateValidRecord(properties), properties)
  return { headers: formHeaders, body: multipartBody(pairs.map(([name, data]) => ({ name, data }))) }
}

const operations = [...await getOperations('/openapi.json'), ...await getOperations('/openapi/client.json')]
/** What the two documents have in common is tested once. */
const tested = new Set<string>()
function isNew (...part: unknown[]): boolean {
  const key = JSON.stringify(part)
  if (tested.has(key)) return false
  tested.add(key)
  return true
}

for (const { path, method, operation: { parameters = [], requestBody } } of operations) {
  const json = requestBody?.content['application/json']?.schema
  const csv = requestBody?.content['text/csv']?.schema
  // The form of an import has a file, which is not generated.
  const multipart = csv === undefined ? requestBody?.content['multipart/form-data']?.schema : undefined
  const cases = path.startsWith('/rest/') ? repeatedBodyCases : bodyCases

  if (isNew(method, path, parameters)) {
    t.test(`${method} ${path} accepts the parameters of the document only`, async t => {
      const inUrl = parameters.filter(parameter => parameter.in !== 'header')
      const properties = Object.fromEntries(inUrl.map(({ name, schema }) => [name, schema]))
      const required = inUrl.filter(parameter => parameter.required === true).map(({ name }) => name)
      const accepts = compile({ type: 'object', properties, required, additionalProperties: false })
      const { headers, body } = buildValidBody(json, multipart, csv)
      const result = await compare(parameterCases, () => {
        const { pairs, typed } = toTexts(generateRecord({ required }, properties), properties)
        for (const name of getPathNames(path)) typed[name] ??= 101
        const url = buildUrl(path, pairs)
        return { expected: accepts(typed), sent: send(url, { method, headers, body }), shown: url }
      })
      t.strictSame(result.wrong, [])
      t.ok(result.accepted > 0)
    })
  }

  if (json !== undefined && isNew(method, path, json)) {
    t.test(`${method} ${path} accepts the JSON bodies of the document only`, async t => {
      const accepts = compile(json)
      const result = await compare(cases, () => {
        const value = generate(json)
        const body = JSON.stringify(value)
        const sent = send(buildUrl(path), { method, headers: jsonHeaders, body })
        return { expected: accepts(value), sent, shown: body }
      })
      t.strictSame(result.wrong, [])
      if (cases === bodyCases) t.ok(result.accepted > 0 && result.refused > 0)
    })
  }

  if (multipart !== undefined && isNew(method, path, multipart)) {
    t.test(`${method} ${path} accepts the forms of the document only`, async t => {
      const accepts = compile(multipart)
      const { properties = {} } = multipart
      const result = await compare(cases, () => {
        const { pairs, typed } = toTexts(generateRecord(multipart, properties), properties)
        for (const [name, text] of pairs) if (text === '' && isUntouched(properties[name] ?? {})) delete typed[name]
        const body = multipartBody(pairs.map(([name, data]) => ({ name, data })))
        const sent = send(buildUrl(path), { method, headers: formHeaders, body })
        return { expected: accepts(typed), sent, shown: pairs }
      })
      t.strictSame(result.wrong, [])
      if (cases === bodyCases) t.ok(result.accepted > 0 && result.refused > 0)
    })
  }
}

function getExamples ({ example, examples = {} }: Partial<MediaType> = {}) {
  return example === undefined ? Object.values(examples).map(({ value }) => value) : [example]
}

t.test('the examples of bodies are accepted, also those that are built from fields without examples', async t => {
  let count = 0
  for (const { path, method, operation } of operations) {
    const content = operation.requestBody?.content ?? {}
    for (const example of getExamples(content['application/json'])) {
      count++
      const response = await send(buildUrl(path), { method, headers: jsonHeaders, body: JSON.stringify(example) })
      t.match(response, { status: 200 }, `${method} ${path} ${JSON.stringify(example)}`)
    }
    for (const example of getExamples(content['multipart/form-data'])) {
      count++
      const parts = Object.entries(example).flatMap(([name, value]) => {
        const values: unknown[] = Array.isArray(value) ? value : [value]
        return values.map(item => ({ name, data: String(item) }))
      })
      const response = await send(buildUrl(path), { method, headers: formHeaders, body: multipartBody(parts) })
      t.match(response, { status: 200 }, `${method} ${path} ${JSON.stringify(example)}`)
    }
  }
  t.ok(count >= 20)
})

const keys = [
  'a', 'a'.repeat(255), 'a'.repeat(256),
  '"a b"', `"${'a'.repeat(255)}"`, `"${'a'.repeat(256)}"`, `"${'\\"'.repeat(255)}"`,
  '', '""', 'a b', 'a"b', '"a"b"', '"a', '"a\\b"', '"a\\\\b"', 'a,b', 'a, b', 'a\tb', '\u00e4', '"\u00e4"',
]
const headerSchemas = new Map(operations.flatMap(({ operation: { parameters = [] } }) => {
  return parameters.filter(parameter => parameter.in === 'header').map(({ name, schema }) => [name, schema] as const)
}))

t.test('an Idempotency-Key is accepted if the document says so', async t => {
  const accepts = compile(headerSchemas.get('Idempotency-Key') ?? {})
  for (const key of keys) {
    // The key is validated before the body.
    const headers = { ...jsonHeaders, 'idempotency-key': key }
    const { json } = await send(service.usersUrl, { headers, body: '{}' })
    t.equal(json.code, accepts(key) ? 'validation_failed' : 'bad_request', key)
  }
})

t.test('an X-Request-Id is used if the document says so', async t => {
  const accepts = compile(headerSchemas.get('X-Request-Id') ?? {})
  for (const id of [...keys, 'a-1', 'A_.:/+=@-', 'a'.repeat(128), 'a'.repeat(129)]) {
    const { headers } = await send(service.usersUrl, { headers: { ...jsonHeaders, 'x-request-id': id }, body: '{}' })
    t.equal(headers['x-request-id'] === id, accepts(id), id)
  }
})
