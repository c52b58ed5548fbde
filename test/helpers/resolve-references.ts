/** Replaces the references of an OpenAPI document by the parts that they refer to. */

/** Returns the part of the document that a `$ref` points to (JSON Pointer, RFC 6901). */
export function findPart (document: unknown, ref: string): unknown {
  const steps = ref.split('/').slice(1).map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  return steps.reduce<unknown>((parent, step): unknown => {
    return typeof parent === 'object' && parent !== null ? Reflect.get(parent, step) : undefined
  }, document)
}

/** Keeps the references to the schema Problem, to which all problem responses refer. */
export function resolveReferences (document: unknown, value: unknown = document): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('$ref' in value && typeof value.$ref === 'string' && value.$ref !== '#/components/schemas/Problem') {
    return resolveReferences(document, findPart(document, value.$ref))
  }
  if (Array.isArray(value)) return value.map(item => resolveReferences(document, item))
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, resolveReferences(document, member)]))
}
