/** The records of a company other than its users, such as the pick-lists from which fields of a user are chosen. */
import { isObject, parseObject } from './json.ts'
import { paginate } from './pagination.ts'
import type { ReceivedRequest } from './recorder.ts'
import { jsonResponse, notFoundResponse, type EmulatedResponse } from './response.ts'
import type { Settings } from './settings.ts'

interface CatalogItem { id: number, [key: string]: unknown }

/** One kind of record. */
interface Resource {
  /** The records that every company has at first. */
  items (settings: Settings): readonly CatalogItem[]
  isPaged: boolean
  /** Returns the items that a query asks for. By default these are all. */
  select? (items: readonly CatalogItem[], query: URLSearchParams): readonly CatalogItem[]
  /** Present if records are created and changed. The value of `uniqueField` is required. */
  change?: { rootKey: string, uniqueField: string }
}

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

/** The records of a company by the last segment of their path. A new kind of record is one more member. */
const resources: Readonly<Record<string, Resource>> = {
  vendors: {
    items: () => vendors,
    isPaged: true,
    select: selectVendors,
  },
  trades: {
    items: () => trades,
    isPaged: true,
    select: (items, query) => items.filter(({ active }) => matchesFilter(query, 'active', active)),
  },
  work_classifications: {
    items: () => workClassifications,
    isPaged: true,
    change: { rootKey: 'work_classification', uniqueField: 'name' },
  },
  permission_templates: {
    items: () => permissionTemplates,
    isPaged: false,
    select: (items, query) => items.filter(({ type }) => type === (query.get('filters[type]') ?? 'project_tools')),
  },
  configurable_field_sets: {
    items: buildFieldSets,
    isPaged: true,
    select: (items, query) => items.filter(({ type }) => matchesFilter(query, 'type', type)),
  },
}

/** Ids of created records. */
const firstCreatedId = 900_001

/** Records that are created or changed are those of one company; all others are the same for every company. */
export class Catalog {
  readonly #itemsByPath = new Map<string, readonly CatalogItem[]>()
  #nextId = firstCreatedId

  /** Lists (GET), shows (GET with an id), creates (POST) or changes (PATCH with an id) records. */
  respond (request: ReceivedRequest, companyId: number, url: URL, settings: Settings): EmulatedResponse {
    const [, name = '', id] = catalogPathPattern.exec(url.pathname) ?? []
    const resource = Object.hasOwn(resources, name) ? resources[name] : undefined
    if (resource === undefined) return notFoundResponse()
    const path = `${companyId}/${name}`
    const items = this.#itemsByPath.get(path) ?? resource.items(settings)
    const item = items.find(candidate => String(candidate.id) === id)
    const { isPaged, select = () => items, change } = resource
    if (request.method === 'GET' && id === undefined) {
      const selected = select(items, url.searchParams)
      return isPaged ? paginate(selected, url) : jsonResponse(200, selected)
    }
    if (request.method === 'GET' && item !== undefined) return jsonResponse(200, item)
    const isChange = request.method === 'POST' ? id === undefined : request.method === 'PATCH' && item !== undefined
    if (change === undefined || !isChange) return notFoundResponse()
    const fields = parseRecord(request, change.rootKey)
    if (fields === undefined) {
      return jsonResponse(400, { message: `param is missing or the value is empty: ${change.rootKey}` })
    }
    const errors = validateUnique({ ...item, ...fields }, change.uniqueField, items.filter(other => other !== item))
    if (errors !== undefined) return jsonResponse(422, { errors })
    const saved = { ...item, ...fields, id: item?.id ?? this.#nextId++ }
    const others = items.map(other => other === item ? saved : other)
    this.#itemsByPath.set(path, item === undefined ? [...items, saved] : others)
    return jsonResponse(item === undefined ? 201 : 200, saved)
  }
}

const catalogPathPattern = /^\/rest\/v1\.0\/(?:companies\/\d+\/(?!vendors)|(?=vendors))(\w+)(?:\/(\d+))?$/

/** Returns the fields of a JSON body or of a form; those of a form are texts. */
function parseRecord ({ body, parts }: ReceivedRequest, rootKey: string): Record<string, unknown> | undefined {
  if (parts === undefined) {
    const record = parseObject(body)?.[rootKey]
    return isObject(record) ? record : undefined
  }
  return Object.fromEntries(parts.map(({ name, data }) => [/\[(\w+)\]$/.exec(name)?.[1] ?? '', data.toString()]))
}

function validateUnique (
  record: Record<string, unknown>, field: string, others: readonly CatalogItem[]
): Record<string, string[]> | undefined {
  const value = record[field]
  if (typeof value !== 'string' || value.trim() === '') return { [field]: ["can't be blank"] }
  return others.some(other => other[field] === value) ? { [field]: ['has already been taken'] } : undefined
}

/** Returns a name for unknown ids too, because the emulator accepts every vendor id. */
export function getVendorName (id: unknown): string {
  const name = vendors.find(vendor => vendor.id === id)?.['name']
  return typeof name === 'string' ? name : `Vendor ${String(id)}`
}

function matchesFilter (query: URLSearchParams, name: string, value: unknown): boolean {
  return !query.has(`filters[${name}]`) || String(value) === query.get(`filters[${name}]`)
}

function selectVendors (items: readonly CatalogItem[], query: URLSearchParams): CatalogItem[] {
  const matching = items.filter(vendor => matchesVendorFilters(vendor, query))
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
