// Tests that the committed OpenAPI document follows from the code and is complete.
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { parse } from 'yaml'
import { createCompanyUser } from '../../src/endpoints/company-users.ts'
import { buildOpenapiFiles, clientOpenapiPath, openapiPath } from '../../tools/scripts/openapi.ts'
import { problemCodes, problemTable, type ProblemCode } from '../../src/server/problem.ts'
import { startIssuer } from '../helpers/issuer.ts'
import { send } from '../helpers/requests.ts'
import { findPart, resolveReferences } from '../helpers/resolve-references.ts'
import { startService } from '../helpers/service.ts'

interface Media {
  schema: { properties?: Record<string, { properties?: Record<string, unknown> }>, $ref?: string }
  examples?: Record<string, { value: { code: string, status: number } }>
}

interface Operation {
  security: object[]
  requestBody: { content: Record<string, Media> }
  responses: Record<string, { description: string, headers?: object, content?: Record<string, Media> }>
  parameters: Array<{ name: string, in: string, required?: boolean }>
}

interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: Record<string, Record<string, unknown>>
}

const parseDocument: (yaml: string) => Document = parse

const committed = parseDocument(await readFile(openapiPath, 'utf8'))

const document = parseDocument(JSON.stringify(resolveReferences(committed)))

t.test('the committed documents are up to date; `npm run openapi` rewrites them', async t => {
  for (const [path, text] of await buildOpenapiFiles()) t.equal(await readFile(path, 'utf8'), text, path)
})

const servedDocuments = [
  { url: '/openapi.json', type: 'application/json; charset=utf-8', committedPath: openapiPath },
  { url: '/openapi.yaml', type: 'application/yaml', committedPath: openapiPath },
  { url: '/openapi/client.json', type: 'application/json; charset=utf-8', committedPath: clientOpenapiPath },
  { url: '/openapi/client.yaml', type: 'application/yaml', committedPath: clientOpenapiPath },
]

t.test('the service serves the same documents', async t => {
  const service = await startService(t)
  for (const { url, type, committedPath } of servedDocuments) {
    const { status, headers, text } = await send(service.url + url, { method: 'GET' })
    t.match({ status, type: headers['content-type'] }, { status: 200, type }, url)
    // JSON is YAML.
    t.strictSame(parse(text), parse(await readFile(committedPath, 'utf8')), url)
  }
})

t.test('the create has both paths, both media types, all 27 fields and the query', async t => {
  t.equal(document.openapi, '3.1.0')
  const { body } = createCompanyUser({ stateCodes: 'iso', permissionTemplateIds: new Set() })
  const fields = Object.keys(body?.fields.properties ?? {})
  t.equal(fields.length + 1, 27)
  for (const path of ['/companies/{company_id}/users', '/rest/v1.3/companies/{company_id}/users']) {
    const operation = document.paths[path]?.['post']
    const content = operation?.requestBody.content
    const jsonFields = content?.['application/json']?.schema.properties?.['user']?.properties ?? {}
    t.strictSame(Object.keys(jsonFields), [...fields, 'avatar'])
    t.match(jsonFields['avatar'], { type: 'null' }, 'JSON has no image')
    const multipartFields = Object.keys(content?.['multipart/form-data']?.schema.properties ?? {})
    t.strictSame(multipartFields, [...fields, 'avatar'].map(name => `user[${name}]`))
    t.strictSame(operation?.parameters.map(({ name, in: part }) => `${part} ${name}`).sort(), [
      'header Idempotency-Key',
      'header X-Request-Id',
      'path company_id',
      'query run_configurable_validations',
    ])
  }
})

t.test('an access token is required if callers are authenticated, and optional otherwise', async t => {
  t.strictSame(document.paths['/companies/{company_id}/users']?.['post']?.security, [{ bearer: [] }, {}])
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  const authenticated = parseDocument((await send(`${url}/openapi.json`, { method: 'GET' })).text)
  t.strictSame(authenticated.paths['/companies/{company_id}/users']?.['post']?.security, [{ bearer: [] }])
})

/** Problems of imports only. */
const importCodes: readonly ProblemCode[] = ['malformed_csv', 'import_in_progress']
const createCodes = problemCodes.filter(code => !importCodes.includes(code))

t.test('the create lists every problem of a record under its status, with a valid example', async t => {
  const responses = document.paths['/companies/{company_id}/users']?.['post']?.responses ?? {}
  t.ok(responses['201']?.content?.['application/json']?.schema.properties?.['id'])
  for (const code of createCodes) {
    const response = responses[code === 'procore_rejected' ? '4XX' : String(problemTable[code].status)]
    const media = response?.content?.['application/problem+json']
    t.equal(media?.schema.$ref, '#/components/schemas/Problem', code)
    t.match(media?.examples?.[code]?.value, {
      code,
      status: problemTable[code].status,
      type: `/docs/problems#${code}`,
      request_id: String,
    })
  }
})

/** Returns the sorted problem codes of an operation. */
function listCodes (method: string, path: string): string[] {
  const contents = Object.values(getOperation(method, path).responses).map(({ content }) => content)
  return contents.flatMap(content => Object.keys(content?.['application/problem+json']?.examples ?? {})).sort()
}

function getOperation (method: string, path: string): Operation {
  const operation = document.paths[path]?.[method]
  if (operation === undefined) throw new Error(`The document has no ${method} ${path}.`)
  return operation
}

const allCodes = createCodes.toSorted()
const codesWithout = (...patterns: RegExp[]) => allCodes.filter(code => !patterns.some(pattern => pattern.test(code)))
const bodyCodes = /^(malformed_|body_|avatar_|unsupported_|request_timeout)/
const templateCodes = /^template_/
const usersPath = '/companies/{company_id}/users'

const importedCodes = problemCodes
  .filter(code => !/^(?:malformed_json|avatar_|template_|idempotency_in)/.test(code)).toSorted()

const codeRows = [
  { method: 'post', path: usersPath, codes: allCodes },
  // Nothing is sent to Procore, and no idempotency key is stored.
  { method: 'post', path: `${usersPath}/validate`, codes: codesWithout(/^procore_/, /^idempotency_/) },
  { method: 'patch', path: `${usersPath}/{id}`, codes: codesWithout(/^idempotency_/) },
  { method: 'patch', path: `${usersPath}/{id}/invite`, codes: codesWithout(bodyCodes) },
  { method: 'patch', path: `${usersPath}/inactive/{id}`, codes: codesWithout(bodyCodes, /^idempotency_/) },
  { method: 'post', path: `${usersPath}/import`, codes: importedCodes },
  ...[usersPath, `${usersPath}/inactive`, `${usersPath}/{id}`, `${usersPath}/form`, '/rest/v1.0/vendors'].map(path => {
    return { method: 'get', path, codes: codesWithout(bodyCodes, templateCodes, /^idempotency_/) }
  }),
]

for (const { method, path, codes } of codeRows) {
  t.test(`${method} ${path} lists the problems that it can return and no others`, async t => {
    t.strictSame(listCodes(method, path), codes)
  })
}

t.test('a problem of a safe request has no outcome', async t => {
  const { content } = getOperation('get', usersPath).responses['504'] ?? {}
  const example = content?.['application/problem+json']?.examples?.['procore_timeout']
  t.match(example?.value, { code: 'procore_timeout' })
  t.notOk('outcome' in (example?.value ?? {}))
})

t.test('a response without a body has no content', async t => {
  t.equal(getOperation('patch', '/companies/{company_id}/users/{id}/invite').responses['202']?.content, undefined)
  t.equal(getOperation('get', '/companies/{company_id}/users/form').responses['304']?.content, undefined)
})

t.test('every component is referenced, and problems are only in components', async t => {
  const text = JSON.stringify(committed)
  const refs = new Set([...text.matchAll(/"\$ref":"(#[^"]*)"/g)].map(([, ref = '']) => ref))
  for (const ref of refs) t.ok(findPart(committed, ref), ref)
  const { securitySchemes: _, ...components } = committed.components
  const parts = Object.entries(components).flatMap(([kind, byName]) => {
    return Object.keys(byName).map(name => `#/components/${kind}/${name}`)
  })
  t.strictSame(parts.filter(part => !refs.has(part)), [])
  for (const part of parts) t.match(part, /^#\/components\/\w+\/[\w.-]+$/)
  for (const [path, methods] of Object.entries(committed.paths)) {
    t.notMatch(JSON.stringify(methods), 'application/problem+json', path)
  }
})
