// Tests the document for code generators: one operation for each media type, with names, examples and a default.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { Type, type Static } from '@sinclair/typebox'
import t from 'tap'
import { parse } from 'yaml'
import { clientOpenapiPath, openapiPath } from '../../tools/scripts/openapi.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { boundary, janeParts, multipartBody, send, sendJson, sendMultipart } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { root } from '../helpers/spawn-program.ts'

const MediaSchema = Type.Object({
  schema: Type.Object({}),
  example: Type.Optional(Type.Unknown()),
  examples: Type.Optional(Type.Unknown()),
})
const ContentSchema = Type.Record(Type.String(), MediaSchema)
const OperationSchema = Type.Object({
  operationId: Type.String(),
  security: Type.Array(Type.Object({})),
  requestBody: Type.Optional(Type.Object({ content: ContentSchema })),
  responses: Type.Record(Type.String(), Type.Object({ content: Type.Optional(ContentSchema) })),
})
const PropertySchema = Type.Object({ description: Type.Optional(Type.String()) })
const DocumentSchema = Type.Object({
  paths: Type.Record(Type.String(), Type.Record(Type.String(), OperationSchema)),
  components: Type.Object({
    schemas: Type.Record(Type.String(), Type.Object({
      properties: Type.Optional(Type.Record(Type.String(), PropertySchema)),
    })),
    responses: Type.Record(Type.String(), Type.Object({ content: ContentSchema })),
  }),
})

const readDocument = async (path: string) => assertSchema(DocumentSchema, parse(await readFile(path, 'utf8')))
const document = await readDocument(clientOpenapiPath)
const complete = await readDocument(openapiPath)

interface ListedOperation {
  path: string
  method: string
  operation: Static<typeof OperationSchema>
}

function listOperations ({ paths }: Static<typeof DocumentSchema>): ListedOperation[] {
  return Object.entries(paths).flatMap(([path, operations]) => {
    return Object.entries(operations).map(([method, operation]) => ({ path, method, operation }))
  })
}

const operations = listOperations(document)

t.test('every operation has a name of its own that is valid for a method', async t => {
  const names = operations.map(({ operation }) => operation.operationId)
  for (const name of names) t.match(name, /^[a-z][A-Za-z]+$/)
  t.equal(new Set(names).size, names.length)
})

t.test('each operation of the complete document is there once for each media type of its body', async t => {
  const ownOperations = listOperations(complete).filter(({ path }) => !path.startsWith('/rest/'))
  const expected = ownOperations.flatMap(({ path, method, operation }) => {
    const content = operation.requestBody?.content ?? { none: {} }
    // Generated clients import CSV files only.
    const mediaTypes = 'text/csv' in content ? ['text/csv'] : Object.keys(content)
    return mediaTypes.map(type => `${method} ${path}${type === 'multipart/form-data' ? '/multipart' : ''} ${type}`)
  })
  const actual = operations.map(({ path, method, operation }) => {
    return `${method} ${path} ${Object.keys(operation.requestBody?.content ?? { none: {} }).join()}`
  })
  t.strictSame(actual.sort(), expected.sort())
})

const isProxied = (path: string) => path === '/companies' || path.startsWith('/companies/')

t.test('a range of statuses is never used, and every proxied operation has a default response', async t => {
  for (const { path, method, operation } of operations) {
    const statuses = Object.keys(operation.responses)
    t.notMatch(statuses.join(), /X/, `${method} ${path}`)
    t.equal(statuses.includes('default'), /^\/companies(?:\/|$)/.test(path), `${method} ${path}`)
  }
})

t.test('an operation without authentication has an empty security requirement', async t => {
  const open = operations.filter(({ operation }) => operation.security.length === 0).map(({ path }) => path)
  t.strictSame(open.sort(), ['/livez', '/metrics', '/openapi.json', '/readyz'])
})

t.test('no response has the description that @fastify/swagger writes if there is none', async t => {
  t.notMatch(JSON.stringify([document, complete]), 'Default Response')
})

t.test('every member of a problem is described', async t => {
  const { properties = {} } = document.components.schemas['Problem'] ?? {}
  const undescribed = Object.entries(properties).filter(([, { description }]) => description === undefined)
  t.strictSame(undescribed.map(([name]) => name), [])
  t.not(Object.keys(properties).length, 0)
})

t.test('every JSON and multipart body of a proxied operation has an example', async t => {
  const proxied = operations.filter(({ path }) => isProxied(path))
  const contents = [
    ...proxied.flatMap(({ operation }) => [operation.requestBody, ...Object.values(operation.responses)]),
    ...Object.values(document.components.responses),
  ].map(part => part?.content ?? {})
  const media = contents.flatMap(content => Object.entries(content)).filter(([type]) => /json|multipart/.test(type))
  t.ok(media.length > 40)
  const withoutExample = media.filter(([, { example, examples }]) => example === undefined && examples === undefined)
  t.strictSame(withoutExample.map(([type]) => type), [])
})

t.test('the avatar is described as binary', async t => {
  for (const name of ['create-company-user-form', 'update-company-user-form']) {
    t.match(document.components.schemas[name]?.properties, {
      'user[avatar]': { type: 'string', format: 'binary', contentMediaType: 'application/octet-stream' },
    }, name)
  }
})

function toForm (example: unknown): Buffer {
  const fields = assertSchema(Type.Record(Type.String(), Type.Unknown()), example)
  return multipartBody(Object.entries(fields).map(([name, value]) => ({ name, data: String(value) })))
}

for (const { path, method, operation } of operations) {
  for (const [type, { example }] of Object.entries(operation.requestBody?.content ?? {})) {
    t.test(`the service accepts the ${type} example of ${operation.operationId}`, async t => {
      const { url, usersUrl } = await startService(t)
      const created = await sendJson(usersUrl, { user: { last_name: 'Doe', email_address: 'john.doe@example.com' } })
      const target = url + path.replace('{company_id}', '101').replace('{id}', String(created.json['id']))
      const isForm = type === 'multipart/form-data'
      const contentType = isForm ? `${type}; boundary=${boundary}` : type
      const body = isForm ? toForm(example) : type === 'text/csv' ? String(example) : JSON.stringify(example)
      const { status, text } = await send(target, {
        method: method === 'patch' ? 'PATCH' : 'POST', headers: { 'content-type': contentType }, body,
      })
      t.ok(status === 200 || status === 201, text)
    })
  }
}

for (const path of ['openapi/openapi.yaml', 'openapi/client.yaml']) {
  t.test(`${path} has no errors and no warnings by Redocly's recommended rules`, async t => {
    const { stderr } = await promisify(execFile)(process.execPath, [
      'node_modules/@redocly/cli/bin/cli.js', 'lint', path, '--format', 'summary',
    ], { cwd: root, env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' } })
    t.match(stderr, 'Your API description is valid')
    t.notMatch(stderr, /warning|error/i)
  })
}

t.test('a create is replayed if its key is repeated at the multipart path', async t => {
  const { usersUrl } = await startService(t)
  const headers = { 'idempotency-key': 'same' }
  t.match(await sendMultipart(usersUrl, multipartBody(janeParts), headers), { status: 201 })
  t.match(await sendMultipart(`${usersUrl}/multipart`, multipartBody(janeParts), headers), {
    status: 201, headers: { 'idempotency-replayed': 'true' },
  })
})

t.test('the multipart path allows only the method of its endpoint', async t => {
  const { usersUrl } = await startService(t)
  t.match(await send(`${usersUrl}/multipart`, { method: 'GET' }), { status: 405, headers: { allow: 'POST' } })
})
