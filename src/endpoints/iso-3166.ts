/**
 * Provides the code sets of ISO 3166: countries (part 1, alpha-2) and subdivisions (part 2, the part after the hyphen).
 * Only sets of codes are built at startup; more objects on the heap would make every garbage collection slower.
 */
import { iso31661, iso31662 } from 'iso-3166'

/** ISO 3166-1 alpha-2 codes that are currently assigned. */
export const countryCodes: ReadonlySet<string> = new Set(
  iso31661.filter(country => country.state === 'assigned').map(country => country.alpha2)
)

const fullSubdivisionCodes = new Set<string>()
const subdivisionSuffixes = new Set<string>()
for (const { code } of iso31662) {
  fullSubdivisionCodes.add(code)
  subdivisionSuffixes.add(code.slice(code.indexOf('-') + 1))
}

/** The parts after the hyphen of all ISO 3166-2 codes of all countries. */
export const subdivisionCodes: ReadonlySet<string> = subdivisionSuffixes

/** A country with its English name. */
export interface Country {
  code: string
  name: string
  /** Codes without the country and the hyphen, as Procore expects them. */
  subdivisions: Array<{ code: string, name: string }>
}

/**
 * Lists all countries and their subdivisions, sorted by their names without diacritics. Builds a new list on each call
 * and does not cache it.
 */
export function listCountries (): Country[] {
  const byCountry = Map.groupBy(iso31662, ({ code }) => code.slice(0, code.indexOf('-')))
  const countries = iso31661.filter(({ state }) => state === 'assigned').map(({ alpha2, name }) => ({
    code: alpha2,
    name,
    subdivisions: sortByName(
      (byCountry.get(alpha2) ?? []).map(({ code, name }) => ({ code: code.slice(code.indexOf('-') + 1), name }))
    ),
  }))
  return sortByName(countries)
}

/** `Intl.Collator` would take 20 ms at startup and 9 MB for its data. */
function sortByName<T extends { name: string }> (places: readonly T[]): T[] {
  return places
    .map(place => ({ place, letters: place.name.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase() }))
    .sort((a, b) => a.letters < b.letters ? -1 : Number(a.letters > b.letters))
    .map(({ place }) => place)
}

/** Whether the country and the subdivision form an ISO 3166-2 code, for example `US-CA`. */
export function isSubdivisionOf (country: string, subdivision: string): boolean {
  return fullSubdivisionCodes.has(`${country}-${subdivision}`)
}
