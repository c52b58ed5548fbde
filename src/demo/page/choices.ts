/** What can be chosen in the form: the one place that knows where it comes from. */
import type { Client } from '../../../client/client.ts'
import type { Country } from '../countries.ts'

export interface Choice {
  value: string
  label: string
}

export interface Choices {
  /** By the name of the input that chooses. */
  lists: ReadonlyMap<string, readonly Choice[]>
  countries: readonly Country[]
  /** What could not be had, in words. */
  missing: readonly string[]
}

export async function loadChoices (client: Client, companyId: number): Promise<Choices> {
  const missing: string[] = []
  const list = async (name: string, what: string, asked: Promise<{ data: unknown }>): Promise<[string, Choice[]]> => {
    try {
      return [name, choicesOf((await asked).data)]
    } catch {
      missing.push(what)
      return [name, []]
    }
  }
  const [countries, ...lists] = await Promise.all([
    loadCountries(),
    list('vendor_id', 'vendors', client.vendors(companyId, { view: 'compact', per_page: 2000 })),
    list('work_classification_id', 'work classifications', client.workClassifications(companyId)),
    list('company_permission_template_id', 'permissions in the company', client.permissionTemplates(companyId, { 'filters[type]': 'company_tools' })),
    list('default_permission_template_id', 'permissions in projects', client.permissionTemplates(companyId, { 'filters[type]': 'project_tools' })),
  ])
  return { lists: new Map(lists), countries, missing }
}

async function loadCountries (): Promise<Country[]> {
  const answer = await fetch('/demo/countries')
  return answer.json()
}

function choicesOf (items: unknown): Choice[] {
  if (!Array.isArray(items)) return []
  return items.map(({ id, name }: { id: number, name?: string | null }) => ({ value: String(id), label: name ?? `No. ${id}` }))
}
