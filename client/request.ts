/** A typed call as what is sent: path and query filled in, the body as JSON, or as a form where a file goes with it. */

export function buildUrl (baseUrl: string, path: string, parameters: object, query: object): string {
  const filledPath = Object.entries(parameters).reduce((url, [name, value]) => url.replace(`{${name}}`, encodeURIComponent(String(value))), path)
  const queryString = new URLSearchParams(Object.entries(query).flatMap(([name, value]) => toQueryPairs(name, value))).toString()
  return `${baseUrl.replace(/\/+$/, '')}${filledPath}${queryString === '' ? '' : `?${queryString}`}`
}

/** A list is its values under one name each; what is undefined is left out. */
function toQueryPairs (name: string, value: unknown): [string, string][] {
  return (Array.isArray(value) ? value : [value]).filter(item => item !== undefined).map(item => [name, String(item)])
}

/** The fields before the file, so that every fault of theirs is known before it streams. */
export function buildFormData (body: object, file: { name: string, data: Blob }): FormData {
  const formData = new FormData()
  for (const [rootKey, fields] of Object.entries(body)) {
    for (const [name, value] of Object.entries(fields)) if (value !== undefined) formData.append(`${rootKey}[${name}]`, String(value))
    formData.append(`${rootKey}[${file.name}]`, file.data)
  }
  return formData
}
