/**
 * Moves what several operations of the OpenAPI document share into its components, so that each part is written once
 * and referenced: parameters, headers, bodies, titled schemas and problem responses. A problem response is named after
 * its status and the traits that all its operations have in common.
 */
import type { Endpoint } from '../endpoints/endpoint.ts'
import { isJsonObject } from '../util/is-json-object.ts'

type JsonObject = Record<string, unknown>
type ComponentKind = 'parameters' | 'headers' | 'schemas' | 'responses'

/** The properties of an endpoint that determine the names of its components. */
export type OperationTraits = Pick<Endpoint, 'name' | 'effect' | 'body' | 'acceptsIdempotencyKey' | 'import'>

/** An occurrence of a part in the document. */
interface Usage {
  endpoint: OperationTraits
  replace (ref: JsonObject): void
}

interface Component {
  kind: ComponentKind
  name: string
  value: JsonObject
  usages: Usage[]
}

/** Every endpoint has two paths. A part that only these two share is not worth a component. */
const usagesMin = 3

/** @param endpoints by operation id; operations that are not in it remain unchanged */
export function extractComponents (document: object, endpoints: ReadonlyMap<string, OperationTraits>): object {
  const result: JsonObject = structuredClone({ ...document })
  const components = new Components()
  for (const operation of objectValues(result['paths']).flatMap(path => objectValues(path))) {
    const endpoint = endpoints.get(String(operation['operationId']))
    if (endpoint !== undefined) collectFromOperation(components, operation, endpoint)
  }
  components.hoist(ensureComponents(result))
  return result
}

function collectFromOperation (components: Components, operation: JsonObject, endpoint: OperationTraits): void {
  collectParameters(components, operation['parameters'], endpoint)
  const bodies = isJsonObject(operation['requestBody']) ? operation['requestBody']['content'] : {}
  for (const [mediaType, content] of objectEntries(bodies)) {
    const name = `${endpoint.name}${mediaType.startsWith('multipart') ? '-form' : ''}`
    addComponent(components, 'schemas', name, content, 'schema', endpoint)
  }
  const { responses } = operation
  if (!isJsonObject(responses)) return
  for (const [status, response] of objectEntries(responses)) {
    const content = isJsonObject(response['content']) ? response['content'] : {}
    const headers = isJsonObject(response['headers']) ? response['headers'] : {}
    if ('application/problem+json' in content) {
      addComponent(components, 'responses', `problem-${status}`, responses, status, endpoint)
    }
    for (const name of Object.keys(headers)) addComponent(components, 'headers', name, headers, name, endpoint)
    addTitledSchemas(components, content, endpoint)
  }
}

function collectParameters (components: Components, parameters: unknown, endpoint: OperationTraits): void {
  if (!Array.isArray(parameters)) return
  for (const [index, parameter] of objectEntries(parameters)) {
    const name = `${String(parameter['in'])}-${String(parameter['name'])}`
    addComponent(components, 'parameters', name, parameters, index, endpoint)
  }
}

/** Adds all schemas that have a title, at any depth. */
function addTitledSchemas (components: Components, parent: unknown, endpoint: OperationTraits): void {
  for (const [property, value] of objectEntries(parent)) {
    if (typeof value['title'] === 'string') {
      addComponent(components, 'schemas', value['title'], parent, property, endpoint)
    } else if (property !== 'examples') {
      addTitledSchemas(components, value, endpoint)
    }
  }
}

function addComponent (
  components: Components,
  kind: ComponentKind,
  name: string,
  parent: unknown,
  property: string,
  endpoint: OperationTraits
): void {
  if (!isObject(parent)) return
  const value: unknown = Reflect.get(parent, property)
  if (!isJsonObject(value)) return
  components.add(kind, name, value, { endpoint, replace: ref => { Reflect.set(parent, property, ref) } })
}

class Components {
  readonly #components = new Map<string, Component>()

  add (kind: ComponentKind, name: string, value: JsonObject, usage: Usage): void {
    const identity = `${kind} ${JSON.stringify(value)}`
    const component = this.#components.get(identity) ?? { kind, name, value, usages: [] }
    component.usages.push(usage)
    this.#components.set(identity, component)
  }

  /** Moves each shared part, unless its name is not valid for a component or is already in use. */
  hoist (components: Record<ComponentKind, JsonObject>): void {
    for (const { kind, name, value, usages } of this.#components.values()) {
      const baseName = kind === 'responses' ? [name, ...commonTraits(usages)].join('-') : name
      // Two responses with one status may have the same traits in common.
      const componentName = kind === 'responses' && baseName in components[kind] ? `${baseName}-other` : baseName
      const isShared = kind === 'parameters' || kind === 'headers' ? usages.length >= usagesMin : true
      if (!isShared || !/^[\w.-]+$/.test(componentName) || componentName in components[kind]) continue
      components[kind][componentName] = value
      for (const { replace } of usages) replace({ $ref: `#/components/${kind}/${componentName}` })
    }
  }
}

/** Returns the traits that the endpoints of all usages have. */
function commonTraits (usages: readonly Usage[]): string[] {
  const [first = [], ...rest] = usages.map(({ endpoint }) => listTraits(endpoint))
  return first.filter(trait => rest.every(traits => traits.includes(trait)))
}

function listTraits ({ effect, body, acceptsIdempotencyKey, import: fileImport }: OperationTraits): string[] {
  return [
    effect === 'safe' ? 'safe' : 'change',
    ...(body === undefined ? [] : ['body']),
    ...(acceptsIdempotencyKey === true ? ['key'] : []),
    ...(fileImport === undefined ? [] : ['import']),
  ]
}

function ensureComponents (document: JsonObject): Record<ComponentKind, JsonObject> {
  const components = isJsonObject(document['components']) ? document['components'] : {}
  const kinds: Record<ComponentKind, JsonObject> = { schemas: {}, responses: {}, parameters: {}, headers: {} }
  if (isJsonObject(components['schemas'])) kinds.schemas = components['schemas']
  document['components'] = Object.assign(components, kinds)
  return kinds
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** Returns the members of an object or a list that are objects or lists themselves. */
function objectEntries (value: unknown): Array<[string, JsonObject]> {
  const entries: Array<[string, unknown]> = Object.entries(isObject(value) ? value : {})
  return entries.filter((entry): entry is [string, JsonObject] => isObject(entry[1]))
}

const objectValues = (value: unknown) => objectEntries(value).map(([, member]) => member)
