// Sends requests of the Postman collection, as Postman and Bruno do.
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Type, type Static } from '@sinclair/typebox'
import t from 'tap'
import { addExamples } from '../../tools/demo/examples.ts'
import { postmanPath } from '../../tools/scripts/openapi.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import { gif } from '../helpers/images.ts'
import { startService } from '../helpers/service.ts'

const EntrySchema = Type.Object({
  key: Type.String(), value: Type.String(), disabled: Type.Optional(Type.Boolean()),
})
const PartSchema = Type.Object({
  key: Type.String(),
  type: Type.String(),
  value: Type.Optional(Type.String()),
  disabled: Type.Optional(Type.Boolean()),
})
const BodySchema = Type.Union([
  Type.Object({ mode: Type.Literal('raw'), raw: Type.String() }),
  Type.Object({ mode: Type.Literal('formdata'), formdata: Type.Array(PartSchema) }),
])
const ItemSchema = Type.Object({
  name: Type.String(),
  request: Type.Object({
    method: Type.String(),
    auth: Type.Optional(Type.Object({ type: Type.Literal('noauth') })),
    header: Type.Array(EntrySchema),
    url: Type.Object({
      host: Type.Array(Type.String()),
      path: Type.Array(Type.String()),
      query: Type.Array(EntrySchema),
      variable: Type.Array(EntrySchema),
    }),
    body: Type.Optional(BodySchema),
  }),
})
const CollectionSchema = Type.Object({
  variable: Type.Array(EntrySchema),
  item: Type.Array(Type.Object({ name: Type.String(), item: Type.Array(ItemSchema) })),
})
type Item = Static<typeof ItemSchema>

const collection = assertSchema(CollectionSchema, JSON.parse(await readFile(postmanPath, 'utf8')))
const items = collection.item.flatMap(({ item }) => item)

/** Replaces `{{name}}` by the value of a variable. */
function fill (text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\{\{(.+?)\}\}/g, (_, name: string) => {
    const value = variables[name]
    if (value === undefined) throw new Error(`The collection has no variable ${name}.`)
    return value
  })
}

async function sendItem ({ request: { method, auth, header, url, body } }: Item, baseUrl: string, avatar?: Blob) {
  const variables = {
    ...Object.fromEntries(collection.variable.map(({ key, value }) => [key, value])),
    baseUrl,
    $guid: randomUUID(),
    $randomExampleEmail: `${randomUUID()}@example.com`,
  }
  const path = url.path.map(segment => {
    return segment.startsWith(':') ? url.variable.find(({ key }) => key === segment.slice(1))?.value : segment
  })
  const target = new URL(fill(`${url.host.join('.')}/${path.join('/')}`, variables))
  for (const { key, value } of url.query.filter(isEnabled)) target.searchParams.append(key, fill(value, variables))
  const headers = new Headers()
  for (const { key, value } of header.filter(isEnabled)) headers.set(key, fill(value, variables))
  if (auth === undefined) headers.set('authorization', `Bearer ${fill('{{accessToken}}', variables)}`)
  if (body?.mode === 'raw') headers.set('content-type', 'application/json')
  const response = await fetch(target, { method, headers, ...(body && { body: buildBody(body, variables, avatar) }) })
  return { status: response.status, text: await response.text() }
}

const isEnabled = ({ disabled }: { disabled?: boolean }) => disabled !== true

/** @param avatar replaces a file that a person would choose */
function buildBody (body: Static<typeof BodySchema>, variables: Record<string, string>, avatar?: Blob) {
  if (body.mode === 'raw') return fill(body.raw, variables)
  const form = new FormData()
  for (const { key, type, value = '', disabled } of body.formdata) {
    if (type === 'file' && avatar !== undefined) form.append(key, avatar)
    if (type === 'text' && disabled !== true) form.append(key, fill(value, variables))
  }
  return form
}

function findItem (name: string): Item {
  const item = items.find(item => item.name === name)
  if (item === undefined) throw new Error(`The collection has no request ${name}.`)
  return item
}

t.test('the create by JSON creates a user each time it is sent', async t => {
  const { url, emulator } = await startService(t)
  for (const count of [1, 2]) {
    const { status, text } = await sendItem(findItem('Create a company user'), url)
    t.equal(status, 201, text)
    t.equal(emulator.api.directory.list(1234).length, count)
  }
})

t.test('the create by form creates a user with an avatar', async t => {
  const { url, emulator } = await startService(t)
  const { status, text } = await sendItem(findItem('Create a company user (multipart form)'), url, new Blob([gif()]))
  t.equal(status, 201, text)
  t.match(emulator.api.directory.list(1234), [{ avatar: gif() }])
})

t.test('the requests that read succeed as they are, with the records of the demo and a created user', async t => {
  const { url, emulator } = await startService(t, { env: { PROCORE_FILE_ALLOW_LOOPBACK: 'true' } })
  addExamples(emulator)
  await sendItem(findItem('Create a company user (multipart form)'), url, new Blob([gif()]))
  const readable = items.filter(({ request }) => request.method === 'GET')
  t.ok(readable.length > 15)
  for (const item of readable) {
    const { status, text } = await sendItem(item, url)
    t.equal(status, 200, `${item.name}: ${text.slice(0, 200)}`)
  }
})
