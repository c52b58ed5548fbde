// The OpenAPI document: what is committed is what the code says, and it says everything.
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { parse } from 'yaml'
import { createCompanyUser } from '../../src/endpoints/company-users.ts'
import { openapiPath, buildOpenapiYaml } from '../../tools/scripts/openapi.ts'
import { problemCodes, problemTable } from '../../src/server/problem.ts'
import { startIssuer } from '../helpers/issuer.ts'
import { send } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

interface Media { schema: { properties?: Record<string, { properties?: Record<string, unknown> }>, $ref?: string }, examples?: Record<string, { value: { code: string, status: number } }> }
interface Operation { security: object[], requestBody: { content: Record<string, Media> }, responses: Record<string, { description: string, headers?: object, content?: Record<string, Media> }>, parameters: Array<{ name: string, in: string, required?: boolean }> }
interface Document { openapi: string, paths: Record<string, Record<string, Operation>>, components: Record<string, Record<string, unknown>> }

const written: Document = parse(await readFile(openapiPath, 'utf8'))

const partAt = (pointer: string) => pointer.split('/').slice(1).reduce<unknown>((holder, step) => Object(holder)[step.replaceAll('~1', '/').replaceAll('~0', '~')], written)

/** With what is referred to in place, but for the problem, which all responses refer to. */
function resolve (value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('$ref' in value && typeof value.$ref === 'string' && value.$ref !== '#/components/schemas/Problem') return resolve(partAt(value.$ref))
  return Array.isArray(value) ? value.map(resolve) : Object.fromEntries(Object.entries(value).map(([key, member]) => [key, resolve(member)]))
}

const document: Document = Object(resolve(written))

t.test('it is not stale: `npm run openapi` rewrites it', async t => {
  t.equal(await readFile(openapiPath, 'utf8'), await buildOpenapiYaml())
})

t.test('the service serves the same document', async t => {
  const { url } = await startService(t)
  const reply = await send(`${url}/openapi.json`, { method: 'GET' })
  t.equal(reply.status, 200)
  t.strictSame(reply.json, written)
})

t.test('both paths, both media types, all 27 fields and the query', async t => {
  t.equal(document.openapi, '3.1.0')
  const fields = Object.keys(createCompanyUser({ stateCodes: 'iso', permissionTemplateIds: new Set() }).body?.fields.properties ?? {})
  t.equal(fields.length + 1, 27)
  for (const path of ['/companies/{company_id}/users', '/rest/v1.3/companies/{company_id}/users']) {
    const operation = document.paths[path]?.['post']
    const content = operation?.requestBody.content
    t.strictSame(Object.keys(content?.['application/json']?.schema.properties?.['user']?.properties ?? {}), fields)
    t.strictSame(Object.keys(content?.['multipart/form-data']?.schema.properties ?? {}), [...fields, 'avatar'].map(name => `user[${name}]`))
    t.strictSame(operation?.parameters.map(({ name, in: part }) => `${part} ${name}`).sort(), ['header Idempotency-Key', 'header X-Request-Id', 'path company_id', 'query run_configurable_validations'])
  }
})

t.test('a token is asked for where callers are verified, and may be left out elsewhere', async t => {
  t.strictSame(document.paths['/companies/{company_id}/users']?.['post']?.security, [{ bearer: [] }, {}])
  const issuer = await startIssuer(t)
  const { url } = await startService(t, { env: issuer.env })
  const verified: Document = JSON.parse((await send(`${url}/openapi.json`, { method: 'GET' })).text)
  t.strictSame(verified.paths['/companies/{company_id}/users']?.['post']?.security, [{ bearer: [] }])
})

t.test('every problem is there under its status, with an example that is one', async t => {
  const responses = document.paths['/companies/{company_id}/users']?.['post']?.responses ?? {}
  t.ok(responses['201']?.content?.['application/json']?.schema.properties?.['id'])
  for (const code of problemCodes) {
    const response = responses[code === 'procore_rejected' ? '4XX' : String(problemTable[code].status)]
    const media = response?.content?.['application/problem+json']
    t.equal(media?.schema.$ref, '#/components/schemas/Problem', code)
    t.match(media?.examples?.[code]?.value, { code, status: problemTable[code].status, type: `urn:problem-type:procore-bff:${code}`, request_id: String })
  }
})

/** Which codes an operation can come to, by its responses. */
const codesOf = ({ responses }: Operation) => Object.values(responses).flatMap(({ content }) => Object.keys(content?.['application/problem+json']?.examples ?? {}))
const operation = (method: string, path: string): Operation => {
  const found = document.paths[path]?.[method]
  if (found === undefined) throw new Error(`no ${method} ${path}`)
  return found
}

t.test('each operation has the problems that it can come to, and no others', async t => {
  const base = '/companies/{company_id}/users'
  const all = problemCodes.toSorted()
  const without = (...patterns: RegExp[]) => all.filter(code => !patterns.some(pattern => pattern.test(code)))
  const ofBody = /^(malformed_|body_|avatar_|unsupported_|template_|request_timeout)/
  t.strictSame(codesOf(operation('post', base)).sort(), all)
  t.strictSame(codesOf(operation('post', `${base}/validate`)).sort(), without(/^procore_/, /^idempotency_/), 'nothing is sent, and no key is used up')
  t.strictSame(codesOf(operation('patch', `${base}/{id}`)).sort(), without(/^idempotency_/))
  t.strictSame(codesOf(operation('patch', `${base}/{id}/invite`)).sort(), without(ofBody))
  for (const path of [base, `${base}/{id}`, `${base}/form`, '/rest/v1.0/vendors']) t.strictSame(codesOf(operation('get', path)).sort(), without(ofBody, /^idempotency_/), path)
  const { examples = {} } = operation('get', base).responses['504']?.content?.['application/problem+json'] ?? {}
  t.notOk('outcome' in (examples['procore_timeout']?.value ?? {}), 'nothing becomes of a question')
})

t.test('what has no body says so', async t => {
  t.equal(operation('patch', '/companies/{company_id}/users/{id}/invite').responses['202']?.content, undefined)
  t.equal(operation('get', '/companies/{company_id}/users/form').responses['304']?.content, undefined)
})

t.test('each part is written once, and referred to', async t => {
  const text = JSON.stringify(written)
  const refs = new Set([...text.matchAll(/"\$ref":"(#[^"]*)"/g)].map(([, ref = '']) => ref))
  for (const ref of refs) t.ok(partAt(ref), ref)
  const { securitySchemes: _, ...components } = written.components
  const parts = Object.entries(components).flatMap(([kind, byName]) => Object.keys(byName).map(name => `#/components/${kind}/${name}`))
  t.strictSame(parts.filter(part => !refs.has(part)), [], 'none is left over')
  for (const part of parts) t.match(part, /^#\/components\/\w+\/[\w.-]+$/)
  for (const [path, methods] of Object.entries(written.paths)) t.notMatch(JSON.stringify(methods), 'application/problem+json', path)
})
