/**
 * Takes what many operations of the OpenAPI document have in common out of them, so that each is written once and referred to:
 * parameters, headers, bodies, titled schemas, and the problems, which are named by what the operations that can come to them have in common.
 */
import type { Endpoint } from '../endpoints/endpoint.ts'
import { isJsonObject } from '../util/is-json-object.ts'

type JsonObject = Record<string, unknown>
type ComponentKind = 'parameters' | 'headers' | 'schemas' | 'responses'

/** One place in the document where a part stands. */
interface Usage {
  endpoint: Endpoint
  replace (ref: JsonObject): void
}

interface Component {
  kind: ComponentKind
  name: string
  value: JsonObject
  usages: Usage[]
}

/** Every endpoint has two paths: what only they share is no matter of others. */
const usagesMin = 3

/** @param endpoints by the id of the operation; operations that are none of theirs are left as they are */
export function extractComponents (document: object, endpoints: ReadonlyMap<string, Endpoint>): object {
  const result: JsonObject = structuredClone({ ...document })
  const components = new Components()
  for (const operation of objectValues(result['paths']).flatMap(path => objectValues(path))) {
    const endpoint = endpoints.get(String(operation['operationId']))
    if (endpoint !== undefined) collectFromOperation(components, operation, endpoint)
  }
  components.hoist(ensureComponents(result))
  return result
}

function collectFromOperation (components: Components, operation: JsonObject, endpoint: Endpoint): void {
  const { parameters } = operation
  if (Array.isArray(parameters)) parameters.forEach((parameter, index) => components.add('parameters', `${parameter.in}-${parameter.name}`, parameter, { endpoint, replace: ref => { parameters[index] = ref } }))
  const bodies = isJsonObject(operation['requestBody']) ? operation['requestBody']['content'] : {}
  for (const [type, media] of objectEntries(bodies)) addComponent(components, 'schemas', `${endpoint.name}${type.startsWith('multipart') ? '-form' : ''}`, media, 'schema', endpoint)
  const { responses } = operation
  if (!isJsonObject(responses)) return
  for (const [status, response] of objectEntries(responses)) {
    const content = isJsonObject(response['content']) ? response['content'] : {}
    if ('application/problem+json' in content) addComponent(components, 'responses', `problem-${status}`, responses, status, endpoint)
    for (const name of Object.keys(isJsonObject(response['headers']) ? response['headers'] : {})) addComponent(components, 'headers', name, response['headers'], name, endpoint)
    addTitledSchemas(components, content, endpoint)
  }
}

/** All schemas with a title, however deep. */
function addTitledSchemas (components: Components, holder: unknown, endpoint: Endpoint): void {
  for (const [key, value] of objectEntries(holder)) {
    if (typeof value['title'] === 'string') addComponent(components, 'schemas', value['title'], holder, key, endpoint)
    else if (key !== 'examples') addTitledSchemas(components, value, endpoint)
  }
}

function addComponent (components: Components, kind: ComponentKind, name: string, holder: unknown, key: string, endpoint: Endpoint): void {
  if (!isObject(holder)) return
  const value: unknown = Reflect.get(holder, key)
  if (isJsonObject(value)) components.add(kind, name, value, { endpoint, replace: ref => { Reflect.set(holder, key, ref) } })
}

class Components {
  readonly #components = new Map<string, Component>()

  add (kind: ComponentKind, name: string, value: JsonObject, usage: Usage): void {
    const identity = `${kind} ${JSON.stringify(value)}`
    const component = this.#components.get(identity) ?? { kind, name, value, usages: [] }
    component.usages.push(usage)
    this.#components.set(identity, component)
  }

  /** What a component's name can't say, or another one is called, stays where it is. */
  hoist (components: Record<ComponentKind, JsonObject>): void {
    for (const { kind, name, value, usages } of this.#components.values()) {
      const ownName = kind === 'responses' ? [name, ...commonTraits(usages)].join('-') : name
      const isShared = kind === 'parameters' || kind === 'headers' ? usages.length >= usagesMin : true
      if (!isShared || !/^[\w.-]+$/.test(ownName) || ownName in components[kind]) continue
      components[kind][ownName] = value
      for (const { replace } of usages) replace({ $ref: `#/components/${kind}/${ownName}` })
    }
  }
}

/** What all of them are. */
function commonTraits (usages: readonly Usage[]): string[] {
  const [first = [], ...rest] = usages.map(({ endpoint: { effect, body, acceptsIdempotencyKey } }) => [effect === 'safe' ? 'safe' : 'change', ...(body === undefined ? [] : ['body']), ...(acceptsIdempotencyKey === true ? ['key'] : [])])
  return first.filter(trait => rest.every(traits => traits.includes(trait)))
}

function ensureComponents (document: JsonObject): Record<ComponentKind, JsonObject> {
  const components = isJsonObject(document['components']) ? document['components'] : {}
  const kinds: Record<ComponentKind, JsonObject> = { schemas: {}, responses: {}, parameters: {}, headers: {} }
  if (isJsonObject(components['schemas'])) kinds.schemas = components['schemas']
  document['components'] = Object.assign(components, kinds)
  return kinds
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** Members that are objects themselves; those of a list too. */
function objectEntries (value: unknown): Array<[string, JsonObject]> {
  return Object.entries(isObject(value) ? value : {}).filter((entry): entry is [string, JsonObject] => isObject(entry[1]))
}

const objectValues = (value: unknown) => objectEntries(value).map(([, member]) => member)
