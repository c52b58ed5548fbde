// The OpenAPI document: what is committed is what the code says, and it says everything.
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { parse } from 'yaml'
import { createCompanyUser } from '../../src/endpoints/company-users.ts'
import { openapiFile, openapiYaml } from '../../src/pages/openapi-yaml.ts'
import { problemCodes, problemTable } from '../../src/problem.ts'
import { startIssuer } from '../helpers/issuer.ts'
import { send } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

interface Media { schema: { properties?: Record<string, { properties?: Record<string, unknown> }>, $ref?: string }, examples?: Record<string, { value: { code: string, status: number } }> }
interface Response { description: string, headers?: object, content: Record<string, Media> }
interface Operation { security: object[], requestBody: { content: Record<string, Media> }, responses: Record<string, Response & { $ref?: string }>, parameters: Array<{ name: string, in: string, required?: boolean }> }
interface Document { openapi: string, paths: Record<string, Record<string, Operation>>, components: { schemas: Record<string, unknown>, responses: Record<string, Response> } }

const document: Document = parse(await readFile(openapiFile, 'utf8'))

t.test('it is not stale: `npm run openapi` rewrites it', async t => {
  t.equal(await readFile(openapiFile, 'utf8'), await openapiYaml())
})

t.test('the service serves the same document', async t => {
  const { url } = await startService(t)
  const reply = await send(`${url}/openapi.json`, { method: 'GET' })
  t.equal(reply.status, 200)
  t.strictSame(reply.json, document)
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
  t.ok(responses['201']?.content['application/json']?.schema.properties?.['id'])
  for (const code of problemCodes) {
    const response = responses[code === 'procore_rejected' ? '4XX' : String(problemTable[code].status)]
    const media = document.components.responses[response?.$ref?.replace('#/components/responses/', '') ?? '']?.content['application/problem+json']
    t.equal(media?.schema.$ref, '#/components/schemas/Problem', code)
    t.match(media?.examples?.[code]?.value, { code, status: problemTable[code].status, type: `urn:problem-type:procore-bff:${code}`, request_id: String })
  }
  t.strictSame(Object.keys(document.components.schemas), ['Problem'])
})

t.test('what many operations answer alike stands once, and nothing stands there that none refers to', async t => {
  const text = await readFile(openapiFile, 'utf8')
  const named = Object.entries(document.components.responses)
  t.equal(new Set(named.map(([, response]) => JSON.stringify(response))).size, named.length)
  for (const [name] of named) t.ok(text.includes(`#/components/responses/${name}`), name)
  t.notMatch(JSON.stringify(document.paths), /problem\+json/)
})
