/** A typed call as what is sent: path and query filled in, the body as JSON, or as a form where a file goes with it. */

export function urlOf (baseUrl: string, path: string, parameters: object, query: object): string {
  const filled = Object.entries(parameters).reduce((url, [name, value]) => url.replace(`{${name}}`, encodeURIComponent(String(value))), path)
  const search = new URLSearchParams(Object.entries(query).flatMap(([name, value]) => pairsOf(name, value))).toString()
  return `${baseUrl.replace(/\/+$/, '')}${filled}${search === '' ? '' : `?${search}`}`
}

/** A list is its values under one name each; what is undefined is left out. */
function pairsOf (name: string, value: unknown): [string, string][] {
  return (Array.isArray(value) ? value : [value]).filter(item => item !== undefined).map(item => [name, String(item)])
}

/** The fields before the file, so that every fault of theirs is known before it streams. */
export function formOf (body: object, file: { name: string, data: Blob }): FormData {
  const form = new FormData()
  for (const [key, fields] of Object.entries(body)) {
    for (const [name, value] of Object.entries(fields)) if (value !== undefined) form.append(`${key}[${name}]`, String(value))
    form.append(`${key}[${file.name}]`, file.data)
  }
  return form
}
