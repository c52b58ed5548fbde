/** Countries and their subdivisions by name, for choosing. */
import { iso31661, iso31662 } from 'iso-3166'

export interface Country {
  code: string
  name: string
  /** Without the country before the hyphen, as Procore takes them. */
  subdivisions: Array<{ code: string, name: string }>
}

export function listCountries (): Country[] {
  const byCountry = Map.groupBy(iso31662, ({ code }) => code.slice(0, code.indexOf('-')))
  const countries = iso31661.filter(({ state }) => state === 'assigned').map(({ alpha2, name }) => ({
    code: alpha2,
    name,
    subdivisions: (byCountry.get(alpha2) ?? []).map(({ code, name }) => ({ code: code.slice(code.indexOf('-') + 1), name })).sort(byName),
  }))
  return countries.sort(byName)
}

const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name, 'en')
