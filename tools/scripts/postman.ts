/** Converts the OpenAPI document for code generators to a Postman collection (format 2.1), which Bruno imports too. */
import { parse } from 'yaml'

interface Ref { $ref: string }

interface Parameter {
  in: 'path' | 'query' | 'header'
  name: string
  required?: boolean
  description?: string
  example?: unknown
}

interface Media {
  example?: unknown
  schema?: object
}

interface Field {
  description?: string
  format?: string
  examples?: unknown[]
}

interface Operation {
  summary: string
  description?: string
  tags: string[]
  security: object[]
  parameters?: Array<Parameter | Ref>
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, { description: string, content?: Record<string, Media> } | Ref>
}

interface Document {
  info: { title: string, description: string, version: string }
  tags: Array<{ name: string, description: string }>
  paths: Record<string, Record<string, Operation>>
  components: { parameters: Record<string, Parameter>, schemas: Record<string, { properties: Record<string, Field> }> }
}

const parseDocument: (yaml: string) => Document = parse

/** Values that Postman and Bruno generate for each request. */
const generatedValues: Readonly<Record<string, string>> = { 'Idempotency-Key': '{{$guid}}' }

/** @param yaml the OpenAPI document */
export function buildPostmanCollection (yaml: string): string {
  const document = parseDocument(yaml)
  const { info: { title, description, version }, tags } = document
  const operations = Object.entries(document.paths).flatMap(([path, operations]) => {
    return Object.entries(operations).map(([method, operation]) => ({ path, method, operation }))
  })
  const collection = {
    info: {
      name: title,
      description: `${description} Set \`baseUrl\`, and \`accessToken\` if the service authenticates callers.`,
      version,
      schema: 'https://schema.getpostman.com/json/collection/v2.1.0/collection.json',
    },
    auth: { type: 'bearer', bearer: [{ key: 'token', value: '{{accessToken}}', type: 'string' }] },
    variable: [{ key: 'baseUrl', value: 'http://127.0.0.1:3000' }, { key: 'accessToken', value: '' }],
    item: tags.map(tag => ({
      ...tag,
      item: operations
        .filter(({ operation }) => operation.tags.includes(tag.name))
        .map(({ path, method, operation }) => buildItem(document, path, method, operation)),
    })),
  }
  return `${JSON.stringify(collection, undefined, 2)}\n`
}

function buildItem (document: Document, path: string, method: string, operation: Operation) {
  const { summary, description, security, requestBody, responses } = operation
  const parameters = (operation.parameters ?? []).map(parameter => resolveParameter(document, parameter))
  const entriesOf = (part: Parameter['in']) => parameters.filter(parameter => parameter.in === part).flatMap(toEntries)
  const segments = path.slice(1).replace(/\{(\w+)\}/g, ':$1').split('/')
  return {
    name: summary,
    request: {
      method: method.toUpperCase(),
      ...(description !== undefined && { description }),
      ...(security.length === 0 && { auth: { type: 'noauth' } }),
      header: entriesOf('header'),
      url: {
        raw: `{{baseUrl}}/${segments.join('/')}`,
        host: ['{{baseUrl}}'],
        path: segments,
        query: entriesOf('query'),
        variable: entriesOf('path'),
      },
      ...(requestBody !== undefined && { body: buildBody(document, requestBody.content) }),
    },
    response: Object.entries(responses).flatMap(([status, response]) => buildResponse(status, response)),
  }
}

function resolveParameter ({ components }: Document, parameter: Parameter | Ref): Parameter {
  if (!('$ref' in parameter)) return parameter
  const resolved = components.parameters[getRefName(parameter)]
  if (resolved === undefined) throw new Error(`The document has no ${parameter.$ref}.`)
  return resolved
}

const getRefName = ({ $ref }: Ref) => $ref.split('/').at(-1) ?? ''

/** Returns an entry for each value of the example. An optional parameter is not sent until a person enables it. */
function toEntries ({ in: part, name, required = false, description = '', example }: Parameter) {
  const generated = generatedValues[name]
  const values = generated === undefined ? [example ?? ''].flat() : [generated]
  const isDisabled = part !== 'path' && !required && generated === undefined
  return values.map(value => ({
    key: name, value: String(value), description, ...(isDisabled && { disabled: true }),
  }))
}

function buildBody ({ components }: Document, content: Record<string, Media>) {
  const json = content['application/json']
  if (json !== undefined) {
    const raw = generateAddresses(JSON.stringify(json.example, undefined, 2))
    return { mode: 'raw', raw, options: { raw: { language: 'json' } } }
  }
  const { example, schema = {} } = content['multipart/form-data'] ?? {}
  const isRef = (value: object): value is Ref => '$ref' in value
  const { properties = {} } = isRef(schema) ? components.schemas[getRefName(schema)] ?? {} : {}
  const parts = Object.entries(properties).map(([name, field]) => buildPart(name, field, example))
  return { mode: 'formdata', formdata: parts }
}

/** Fields that are not in the example of the form are not sent until they are enabled. */
function buildPart (key: string, { description = '', format, examples = [] }: Field, example: unknown) {
  if (format === 'binary') return { key, type: 'file', src: [], description, disabled: true }
  const isSent = typeof example === 'object' && example !== null && key in example
  return {
    key, type: 'text', value: generateAddresses(String(examples[0])), description, ...(!isSent && { disabled: true }),
  }
}

/** An address is unique within a company, so the same example would create only one user. */
const generateAddresses = (text: string) => text.replaceAll(/[\w.]+@example\.com/g, '{{$randomExampleEmail}}')

/** Returns the example of a response. Problems are components of the document and are left out. */
function buildResponse (status: string, response: Operation['responses'][string]) {
  if ('$ref' in response) return []
  const example = response.content?.['application/json']?.example
  if (example === undefined) return []
  return [{
    name: response.description,
    code: Number(status),
    header: [{ key: 'content-type', value: 'application/json' }],
    body: JSON.stringify(example, undefined, 2),
  }]
}
