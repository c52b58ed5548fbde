/** Builds the URL and the multipart body of a typed call. */

export function buildUrl (baseUrl: string, path: string, parameters: object, query: object): string {
  const filledPath = Object.entries(parameters)
    .reduce((url, [name, value]) => url.replace(`{${name}}`, encodeURIComponent(String(value))), path)
  const queryPairs = Object.entries(query).flatMap(([name, value]) => toQueryPairs(name, value))
  const queryString = new URLSearchParams(queryPairs).toString()
  return `${withoutTrailingSlashes(baseUrl)}${filledPath}${queryString === '' ? '' : `?${queryString}`}`
}

function withoutTrailingSlashes (url: string): string {
  let end = url.length
  while (url[end - 1] === '/') end--
  return url.slice(0, end)
}

/** Repeats the name for each value of a list, and omits undefined values. */
function toQueryPairs (name: string, value: unknown): Array<[string, string]> {
  const values: unknown[] = Array.isArray(value) ? value : [value]
  return values.filter(item => item !== undefined).map(item => [name, String(item)])
}

/**
 * Puts the fields before the files, so that the service has validated them when a file begins to stream.
 * @throws {TypeError} for a field that null would clear, because a form has no null
 */
export function buildFormData (
  body: object, nullMeaning: 'absent' | 'cleared', files: Readonly<Record<string, Blob | undefined>>
): FormData {
  const formData = new FormData()
  for (const [rootKey, fields] of Object.entries<object>({ ...body })) {
    for (const [name, value] of Object.entries<unknown>({ ...fields })) {
      if (value === null && nullMeaning === 'cleared') {
        throw new TypeError(`A form cannot clear ${name}: send null in an update without an avatar.`)
      }
      if (Array.isArray(value)) for (const item of value) formData.append(`${rootKey}[${name}][]`, String(item))
      else if (value !== undefined && value !== null) formData.append(`${rootKey}[${name}]`, String(value))
    }
    for (const [name, file] of Object.entries(files)) {
      if (file !== undefined) formData.append(`${rootKey}[${name}]`, file)
    }
  }
  return formData
}
