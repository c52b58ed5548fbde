/** Builds URLs from validated values: paths of requests to Procore, and links to pages of a list. */

/** Returns the names of the parameters in a path template such as `/companies/:company_id/users`. */
export const getParameterNames = (template: string): string[] =>
  [...template.matchAll(/:(\w+)/g)].map(([, name = '']) => name)

/** Validated values by name; the value of a list is an array. */
export type ParameterValues = ReadonlyMap<string, unknown>

/** Returns a path with a query; all names and values in it are encoded. */
export type UrlBuilder = (params: ParameterValues, query: ParameterValues) => string

const noNames: readonly string[] = []

/**
 * Creates a builder that puts parameters into the query if the template does not name them. A parameter may come from
 * the path or the query of the request, because the two paths of an endpoint may differ in that.
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
  return values.map(item => `${encodeURIComponent(name)}=${encodeValue(item)}`)
}

/** Skips the encoding of integers: most values are ids. */
function encodeValue (value: unknown): string {
  return Number.isSafeInteger(value) ? String(value) : encodeURIComponent(String(value))
}
