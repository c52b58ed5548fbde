/**
 * The code sets of ISO 3166: countries (part 1, alpha-2) and their subdivisions (part 2, what follows the hyphen).
 * Only sets are kept, since the objects of the package would stay on the heap and make every collection dearer.
 */
import { iso31661, iso31662 } from 'iso-3166'

/** ISO 3166-1 alpha-2, those that are assigned at present. */
export const countryCodes: ReadonlySet<string> = new Set(
  iso31661.filter(country => country.state === 'assigned').map(country => country.alpha2)
)

const fullSubdivisionCodes = new Set<string>()
const subdivisionSuffixes = new Set<string>()
for (const { code } of iso31662) {
  fullSubdivisionCodes.add(code)
  subdivisionSuffixes.add(code.slice(code.indexOf('-') + 1))
}

/** The parts after the hyphen of all ISO 3166-2 codes, of whatever country. */
export const subdivisionCodes: ReadonlySet<string> = subdivisionSuffixes

/** By English names, as the package has them. */
export interface Country {
  code: string
  name: string
  /** Without the country before the hyphen, as Procore takes them. */
  subdivisions: Array<{ code: string, name: string }>
}

/** All countries and their subdivisions by name, for choosing; made when it is asked for, and kept by nobody here. */
export function listCountries (): Country[] {
  const byCountry = Map.groupBy(iso31662, ({ code }) => code.slice(0, code.indexOf('-')))
  const countries = iso31661.filter(({ state }) => state === 'assigned').map(({ alpha2, name }) => ({
    code: alpha2,
    name,
    subdivisions: (byCountry.get(alpha2) ?? []).map(({ code, name }) => ({ code: code.slice(code.indexOf('-') + 1), name })).sort(byName),
  }))
  return countries.sort(byName)
}

const { compare } = new Intl.Collator('en')
const byName = (a: { name: string }, b: { name: string }) => compare(a.name, b.name)

/** Whether `US` and `CA` make the ISO 3166-2 code `US-CA`. */
export function isSubdivisionOf (country: string, subdivision: string): boolean {
  return fullSubdivisionCodes.has(`${country}-${subdivision}`)
}
