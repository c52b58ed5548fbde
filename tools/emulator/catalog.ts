/** The lists of the emulator's companies, from which the fields of a user are chosen: the same for every company. */
import type { Settings } from './settings.ts'

interface CatalogItem { id: number, [key: string]: unknown }

const vendorNames = ['SID Architecture', 'Acme Concrete', 'Blue Ridge Steel', 'Cascade Electrical', 'Delta Plumbing', 'Evergreen Landscaping', 'Foothill Roofing', 'Granite Masonry', 'Harbor Glass', 'Ironwood Carpentry', 'Juniper Interiors', 'Keystone Excavation']
const tradeNames = ['Carpentry', 'Concrete', 'Electrical', 'Glazing', 'Landscaping', 'Masonry', 'Plumbing', 'Roofing', 'Steel']

const vendors: readonly CatalogItem[] = vendorNames.map((name, index) => ({ id: 161_072 + index, name, is_active: true, origin_id: null, trade_ids: [5 + index % tradeNames.length], created_at: '2016-10-23T21:39:40Z', updated_at: '2016-10-23T21:39:40Z' }))
const trades: readonly CatalogItem[] = tradeNames.map((name, index) => ({ id: 5 + index, name, active: name !== 'Glazing', updated_at: '2016-10-23T21:39:40Z' }))
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

/** Every field of every form, and whether it has to be filled in. */
function buildFieldSets ({ requiredFields }: Settings): readonly CatalogItem[] {
  const fields = (names: readonly string[], required: readonly string[]) =>
    Object.fromEntries(names.map(name => [name, { name, visible: true, required: required.includes(name) }]))
  return [
    { id: 41, name: 'Users', type: 'ConfigurableFieldSet::User', category: '', class_name: 'User', fields: fields(['first_name', 'job_title', 'mobile_phone', 'employee_id', 'vendor_id', ...requiredFields], requiredFields), sections: [] },
    { id: 42, name: 'RFIs', type: 'ConfigurableFieldSet::Rfi::Header', category: '', class_name: 'Rfi::Header', fields: fields(['subject', 'reference'], ['subject']), sections: [] },
  ]
}

/** A list by the last step of its path, filtered as it was asked for; nothing when there is no such list. */
export function findCatalogList (name: string, query: URLSearchParams, settings: Settings): { items: readonly CatalogItem[], isPaged: boolean } | undefined {
  switch (name) {
    case 'vendors': return { items: vendors.filter(vendor => matchesVendorFilters(vendor, query)).map(vendor => query.get('view') === 'compact' ? { id: vendor.id, name: vendor['name'] } : vendor), isPaged: true }
    case 'trades': return { items: trades.filter(trade => !query.has('filters[active]') || String(trade['active']) === query.get('filters[active]')), isPaged: true }
    case 'work_classifications': return { items: workClassifications, isPaged: true }
    case 'permission_templates': return { items: permissionTemplates.filter(({ type }) => type === (query.get('filters[type]') ?? 'project_tools')), isPaged: false }
    case 'configurable_field_sets': return { items: buildFieldSets(settings).filter(({ type }) => !query.has('filters[type]') || type === query.get('filters[type]')), isPaged: true }
    default: return undefined
  }
}

/** A name for any id, since the emulator takes all of them. */
export function getVendorName (id: unknown): string {
  const name = vendors.find(vendor => vendor.id === id)?.['name']
  return typeof name === 'string' ? name : `Vendor ${String(id)}`
}

function matchesVendorFilters (vendor: CatalogItem, query: URLSearchParams): boolean {
  const ids = query.getAll('filters[id][]')
  const tradeFilter = query.getAll('filters[trade_id][]')
  const tradeIds = Array.isArray(vendor['trade_ids']) ? vendor['trade_ids'].map(String) : []
  return String(vendor['name']).toLowerCase().includes((query.get('filters[search]') ?? '').toLowerCase()) &&
    (ids.length === 0 || ids.includes(String(vendor.id))) && (tradeFilter.length === 0 || tradeFilter.some(id => tradeIds.includes(id)))
}
