/**
 * Takes what many operations of the OpenAPI document have in common out of them, so that each is written once and referred to:
 * parameters, headers, bodies, titled schemas, and the problems, which are named by what the operations that can come to them have in common.
 */
import type { Endpoint } from '../endpoints/endpoint.ts'
import { isJsonObject } from '../util/is-json-object.ts'

type Json = Record<string, unknown>
type Kind = 'parameters' | 'headers' | 'schemas' | 'responses'

/** One place in the document where a part stands. */
interface Use {
  endpoint: Endpoint
  replace (ref: Json): void
}

interface Part {
  kind: Kind
  name: string
  value: Json
  uses: Use[]
}

/** Every endpoint has two paths: what only they share is no matter of others. */
const usesMin = 3

/** @param endpoints by the id of the operation; operations that are none of theirs are left as they are */
export function shareParts (document: object, endpoints: ReadonlyMap<string, Endpoint>): object {
  const shared: Json = structuredClone({ ...document })
  const parts = new Parts()
  for (const operation of membersOf(shared['paths']).flatMap(path => membersOf(path))) {
    const endpoint = endpoints.get(String(operation['operationId']))
    if (endpoint !== undefined) collect(parts, operation, endpoint)
  }
  parts.move(componentsOf(shared))
  return shared
}

function collect (parts: Parts, operation: Json, endpoint: Endpoint): void {
  const { parameters } = operation
  if (Array.isArray(parameters)) parameters.forEach((one, index) => parts.add('parameters', `${one.in}-${one.name}`, one, { endpoint, replace: ref => { parameters[index] = ref } }))
  const bodies = isJsonObject(operation['requestBody']) ? operation['requestBody']['content'] : {}
  for (const [type, media] of entriesOf(bodies)) addMember(parts, 'schemas', `${endpoint.name}${type.startsWith('multipart') ? '-form' : ''}`, media, 'schema', endpoint)
  const { responses } = operation
  if (!isJsonObject(responses)) return
  for (const [status, response] of entriesOf(responses)) {
    const content = isJsonObject(response['content']) ? response['content'] : {}
    if ('application/problem+json' in content) addMember(parts, 'responses', `problem-${status}`, responses, status, endpoint)
    for (const name of Object.keys(isJsonObject(response['headers']) ? response['headers'] : {})) addMember(parts, 'headers', name, response['headers'], name, endpoint)
    addTitled(parts, content, endpoint)
  }
}

/** All schemas with a title, however deep. */
function addTitled (parts: Parts, holder: unknown, endpoint: Endpoint): void {
  for (const [key, value] of entriesOf(holder)) {
    if (typeof value['title'] === 'string') addMember(parts, 'schemas', value['title'], holder, key, endpoint)
    else if (key !== 'examples') addTitled(parts, value, endpoint)
  }
}

function addMember (parts: Parts, kind: Kind, name: string, holder: unknown, key: string, endpoint: Endpoint): void {
  if (!isObject(holder)) return
  const value: unknown = Reflect.get(holder, key)
  if (isJsonObject(value)) parts.add(kind, name, value, { endpoint, replace: ref => { Reflect.set(holder, key, ref) } })
}

class Parts {
  readonly #parts = new Map<string, Part>()

  add (kind: Kind, name: string, value: Json, use: Use): void {
    const key = `${kind} ${JSON.stringify(value)}`
    const part = this.#parts.get(key) ?? { kind, name, value, uses: [] }
    part.uses.push(use)
    this.#parts.set(key, part)
  }

  /** What a component's name can't say, or another one is called, stays where it is. */
  move (components: Record<Kind, Json>): void {
    for (const { kind, name, value, uses } of this.#parts.values()) {
      const ownName = kind === 'responses' ? [name, ...commonWords(uses)].join('-') : name
      const isShared = kind === 'parameters' || kind === 'headers' ? uses.length >= usesMin : true
      if (!isShared || !/^[\w.-]+$/.test(ownName) || ownName in components[kind]) continue
      components[kind][ownName] = value
      for (const { replace } of uses) replace({ $ref: `#/components/${kind}/${ownName}` })
    }
  }
}

/** What all of them are. */
function commonWords (uses: readonly Use[]): string[] {
  const [first = [], ...rest] = uses.map(({ endpoint: { effect, body, takesKey } }) => [effect === 'safe' ? 'safe' : 'change', ...(body === undefined ? [] : ['body']), ...(takesKey === true ? ['key'] : [])])
  return first.filter(word => rest.every(words => words.includes(word)))
}

function componentsOf (document: Json): Record<Kind, Json> {
  const components = isJsonObject(document['components']) ? document['components'] : {}
  const kinds: Record<Kind, Json> = { schemas: {}, responses: {}, parameters: {}, headers: {} }
  if (isJsonObject(components['schemas'])) kinds.schemas = components['schemas']
  document['components'] = Object.assign(components, kinds)
  return kinds
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** Members that are objects themselves; those of a list too. */
function entriesOf (value: unknown): Array<[string, Json]> {
  return Object.entries(isObject(value) ? value : {}).filter((entry): entry is [string, Json] => isObject(entry[1]))
}

const membersOf = (value: unknown) => entriesOf(value).map(([, member]) => member)
