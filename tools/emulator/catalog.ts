/** The pick-lists from which fields of a user are chosen, the same for every emulated company. */
import type { Settings } from './settings.ts'

interface CatalogItem { id: number, [key: string]: unknown }

interface CatalogList { items: readonly CatalogItem[], isPaged: boolean }

const vendorNames = [
  'SID Architecture', 'Acme Concrete', 'Blue Ridge Steel', 'Cascade Electrical', 'Delta Plumbing',
  'Evergreen Landscaping', 'Foothill Roofing', 'Granite Masonry', 'Harbor Glass', 'Ironwood Carpentry',
  'Juniper Interiors', 'Keystone Excavation',
]
const tradeNames = [
  'Carpentry', 'Concrete', 'Electrical', 'Glazing', 'Landscaping', 'Masonry', 'Plumbing', 'Roofing', 'Steel',
]
const timestamp = '2016-10-23T21:39:40Z'

const vendors: readonly CatalogItem[] = vendorNames.map((name, index) => ({
  id: 161_072 + index,
  name,
  is_active: true,
  origin_id: null,
  trade_ids: [5 + index % tradeNames.length],
  created_at: timestamp,
  updated_at: timestamp,
}))
const trades: readonly CatalogItem[] = tradeNames.map((name, index) => ({
  id: 5 + index,
  name,
  active: name !== 'Glazing',
  updated_at: timestamp,
}))
const workClassifications: readonly CatalogItem[] = [
  { id: 13, name: 'Journeyman', abbreviation: 'J' },
  { id: 14, name: 'Apprentice', abbreviation: 'A' },
  { id: 15, name: 'Foreman', abbreviation: 'F' },
]
const permissionTemplates: readonly CatalogItem[] = [
  { id: 27, name: 'Architect/Engineer', type: 'project_tools' },
  { id: 28, name: 'Company Read Only', type: 'company_tools' },
  { id: 29, name: 'Company Admin', type: 'company_tools' },
  { id: 30, name: 'Subcontractor', type: 'project_tools' },
  { id: 31, name: 'Owner/Client', type: 'global' },
]

const userFields = ['first_name', 'job_title', 'mobile_phone', 'employee_id', 'vendor_id']

/** Lists the fields of each form of the company, and which of them it requires. */
function buildFieldSets ({ requiredFields }: Settings): readonly CatalogItem[] {
  const fields = (names: readonly string[], required: readonly string[]) =>
    Object.fromEntries(names.map(name => [name, { name, visible: true, required: required.includes(name) }]))
  return [
    {
      id: 41,
      name: 'Users',
      type: 'ConfigurableFieldSet::User',
      category: '',
      class_name: 'User',
      fields: fields([...userFields, ...requiredFields], requiredFields),
      sections: [],
    },
    {
      id: 42,
      name: 'RFIs',
      type: 'ConfigurableFieldSet::Rfi::Header',
      category: '',
      class_name: 'Rfi::Header',
      fields: fields(['subject', 'reference'], ['subject']),
      sections: [],
    },
  ]
}

/** Returns the list with this last path segment, filtered by the query. */
export function findCatalogList (name: string, query: URLSearchParams, settings: Settings): CatalogList | undefined {
  switch (name) {
    case 'vendors': return { items: listVendors(query), isPaged: true }
    case 'trades': {
      const matching = trades.filter(({ active }) => matchesFilter(query, 'active', active))
      return { items: matching, isPaged: true }
    }
    case 'work_classifications': return { items: workClassifications, isPaged: true }
    case 'permission_templates': {
      const requestedType = query.get('filters[type]') ?? 'project_tools'
      return { items: permissionTemplates.filter(({ type }) => type === requestedType), isPaged: false }
    }
    case 'configurable_field_sets': {
      const fieldSets = buildFieldSets(settings)
      return { items: fieldSets.filter(({ type }) => matchesFilter(query, 'type', type)), isPaged: true }
    }
    default: return undefined
  }
}

/** Returns a name for unknown ids too, because the emulator accepts every vendor id. */
export function getVendorName (id: unknown): string {
  const name = vendors.find(vendor => vendor.id === id)?.['name']
  return typeof name === 'string' ? name : `Vendor ${String(id)}`
}

function matchesFilter (query: URLSearchParams, name: string, value: unknown): boolean {
  return !query.has(`filters[${name}]`) || String(value) === query.get(`filters[${name}]`)
}

function listVendors (query: URLSearchParams): CatalogItem[] {
  const matching = vendors.filter(vendor => matchesVendorFilters(vendor, query))
  return query.get('view') === 'compact' ? matching.map(({ id, name }) => ({ id, name })) : matching
}

function matchesVendorFilters (vendor: CatalogItem, query: URLSearchParams): boolean {
  const ids = query.getAll('filters[id][]')
  const tradeFilter = query.getAll('filters[trade_id][]')
  const tradeIds = Array.isArray(vendor['trade_ids']) ? vendor['trade_ids'].map(String) : []
  const search = (query.get('filters[search]') ?? '').toLowerCase()
  return String(vendor['name']).toLowerCase().includes(search) &&
    (ids.length === 0 || ids.includes(String(vendor.id))) &&
    (tradeFilter.length === 0 || tradeFilter.some(id => tradeIds.includes(id)))
}
