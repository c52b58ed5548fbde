/** What a form for a new company user needs, in one answer. */
import { Type } from '@sinclair/typebox'
import { listCountries } from './codes.ts'
import { createCompanyUser } from './company-users.ts'
import type { Endpoint, ListQuestion, MirroredEndpoint } from './endpoint.ts'
import type { DescriptionOptions } from './fields.ts'
import { company, pageMaxItems } from './parameters.ts'
import { listConfigurableFieldSets, listPermissionTemplates, listTrades, listVendors, listWorkClassifications } from './pick-lists.ts'

const ask = (list: MirroredEndpoint, query: Record<string, string>): ListQuestion => ({ list, query })
const all = { per_page: String(pageMaxItems) }

const list = Type.Union([Type.Array(Type.Object({}, { additionalProperties: true })), Type.Null()], { description: 'Nothing when it could not be had: `problems` says why.' })

const answer = Type.Object({
  schema: Type.Object({}, { additionalProperties: true, description: 'The JSON Schema (2020-12) of the create\'s body.' }),
  required_fields: Type.Union([Type.Array(Type.String()), Type.Null()], { description: 'The fields that the company itself requires, enforced with `run_configurable_validations`; null when none of its field sets is about people, or when they could not be had: `problems` says so.' }),
  pick_lists: Type.Object({ permission_templates: list, vendors: list, work_classifications: list, trades: list }),
  incomplete: Type.Array(Type.String(), { description: 'The lists of which Procore has more than are here; search in them.' }),
  countries: Type.Array(Type.Object({ code: Type.String(), name: Type.String(), subdivisions: Type.Array(Type.Object({ code: Type.String(), name: Type.String() })) })),
  avatar: Type.Object({ types: Type.Array(Type.String()), maxBytes: Type.Integer(), maxPixels: Type.Integer() }),
  problems: Type.Record(Type.String(), Type.Object({ code: Type.String(), detail: Type.String() }), { description: 'Why a part is null, by its name.' }),
})

export function companyUserForm (options: DescriptionOptions): Endpoint {
  const { body } = createCompanyUser(options)
  return {
    name: 'company-user-form',
    method: 'GET',
    effect: 'safe',
    path: '/companies/:company_id/users/form',
    summary: 'What a form for a company user needs',
    description: 'The schema of the create, the lists from which its fields are chosen, countries and subdivisions, what the company requires, and what an avatar may be. A list that can\'t be had is null.',
    params: company,
    query: Type.Object({}),
    form: {
      body,
      lists: {
        // Without a filter only those of projects would come.
        permission_templates: [ask(listPermissionTemplates, { 'filters[type]': 'company_tools' }), ask(listPermissionTemplates, { 'filters[type]': 'project_tools' })],
        vendors: [ask(listVendors, { ...all, view: 'compact' })],
        work_classifications: [ask(listWorkClassifications, all)],
        trades: [ask(listTrades, all)],
      },
      offered: { permission_templates: options.permissionTemplateIds },
      required: { from: ask(listConfigurableFieldSets, all), read: items => requiredFields(items, Object.keys(body.fields.properties)) },
      constants: { countries: listCountries() },
    },
    success: { status: 200, description: 'What the form needs.', schema: answer },
  }
}

/** Field sets are of many forms; those of people are told by what they are called, and what is no field of the create is left out. */
function requiredFields (sets: readonly unknown[], known: readonly string[]): string[] | null {
  const required = new Set<unknown>()
  const ofPeople = sets.filter(isObject).filter(set => [set['class_name'], set['type']].some(name => typeof name === 'string' && /(?:^|:)users?$/i.test(name)))
  if (ofPeople.length === 0) return null
  for (const { fields } of ofPeople) {
    if (typeof fields !== 'object' || fields === null) continue
    for (const [key, field] of Object.entries(fields)) {
      if (isObject(field) && field['required'] === true) required.add(typeof field['name'] === 'string' ? field['name'] : key)
    }
  }
  return known.filter(name => required.has(name))
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
