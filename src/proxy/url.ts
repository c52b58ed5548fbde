/** Builds the path and query of a request to Procore, and of the links of a page, from validated values. */

/** Returns the names of the parameters in a path template such as `/companies/:company_id/users`. */
export const getParameterNames = (template: string): string[] => [...template.matchAll(/:(\w+)/g)].map(([, name = '']) => name)

/** Judged values by name; a list is an array. */
export type ParameterValues = ReadonlyMap<string, unknown>

/** A path with judged values in it; names and values are encoded, whatever they are. */
export type UrlBuilder = (params: ParameterValues, query: ParameterValues) => string

const noNames: readonly string[] = []

/**
 * What the template does not name goes into the query; a parameter may come from either, since the two paths of an endpoint need not agree.
 * @param template such as `/companies/:company_id/users`
 * @param params names of all parameters
 */
export function createUrlBuilder (template: string, params: readonly string[] = noNames): UrlBuilder {
  const [start = '', ...pieces] = template.split(/:(\w+)/)
  const named = new Set(getParameterNames(template))
  const unnamed = params.filter(name => !named.has(name))
  return (values, query) => {
    let path = start
    for (let index = 0; index < pieces.length; index += 2) {
      const name = pieces[index] ?? ''
      path += encodeValue(values.get(name) ?? query.get(name)) + pieces[index + 1]
    }
    if (query.size === 0 && unnamed.length === 0) return path
    const pairs = [
      ...unnamed.flatMap(name => query.has(name) ? [] : toQueryPairs(name, values.get(name))),
      ...[...query].flatMap(([name, value]) => named.has(name) ? [] : toQueryPairs(name, value)),
    ]
    return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
  }
}

function toQueryPairs (name: string, value: unknown): string[] {
  const values: unknown[] = Array.isArray(value) ? value : [value]
  return values.map(one => `${encodeURIComponent(name)}=${encodeValue(one)}`)
}

/** Ids, which most values are, need no encoding. */
function encodeValue (value: unknown): string {
  return Number.isSafeInteger(value) ? String(value) : encodeURIComponent(String(value))
}
