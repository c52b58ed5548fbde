/** What a form for a new company user needs, in one answer. */
import { Type } from '@sinclair/typebox'
import { listCountries } from './iso-3166.ts'
import { createCompanyUser } from './company-users.ts'
import type { Endpoint, ListQuery, ProxiedEndpoint } from './endpoint.ts'
import type { EndpointOptions } from './fields.ts'
import { companyParams, pageMaxItems } from './fields.ts'
import { listConfigurableFieldSets, listPermissionTemplates, listTrades, listVendors, listWorkClassifications } from './pick-lists.ts'

const listQuery = (list: ProxiedEndpoint, query: Record<string, string>): ListQuery => ({ list, query })
const largestPage = { per_page: String(pageMaxItems) }

const nullableList = Type.Union([Type.Array(Type.Object({}, { additionalProperties: true })), Type.Null()], { description: 'Nothing when it could not be had: `problems` says why.' })

const responseSchema = Type.Object({
  schema: Type.Object({}, { additionalProperties: true, description: 'The JSON Schema (2020-12) of the create\'s body.' }),
  required_fields: Type.Union([Type.Array(Type.String()), Type.Null()], { description: 'The fields that the company itself requires, as far as its field sets tell; enforced with `run_configurable_validations`. Nothing when they do not tell: `problems` says why.' }),
  pick_lists: Type.Object({ permission_templates: nullableList, vendors: nullableList, work_classifications: nullableList, trades: nullableList }),
  incomplete: Type.Array(Type.String(), { description: 'The lists of which Procore has more than are here; search in them.' }),
  countries: Type.Array(Type.Object({ code: Type.String(), name: Type.String(), subdivisions: Type.Array(Type.Object({ code: Type.String(), name: Type.String() })) })),
  avatar: Type.Object({ types: Type.Array(Type.String()), maxBytes: Type.Integer(), maxPixels: Type.Integer() }),
  problems: Type.Record(Type.String(), Type.Object({ code: Type.String(), detail: Type.String() }), { description: 'Why a part is null, by its name.' }),
})

/** Answered here, from lists of Procore's that are kept as any pick-list is. */
export function companyUserForm (options: EndpointOptions): Endpoint {
  const { body } = createCompanyUser(options)
  return {
    name: 'company-user-form',
    method: 'GET',
    effect: 'safe',
    path: '/companies/:company_id/users/form',
    summary: 'What a form for a company user needs',
    description: 'The schema of the create, the lists from which its fields are chosen, countries and subdivisions, what the company requires, and what an avatar may be. A list that can\'t be had is null.',
    params: companyParams,
    query: Type.Object({}),
    formMetadata: {
      body,
      lists: {
        // Without a filter only those of projects would come.
        permission_templates: [listQuery(listPermissionTemplates, { 'filters[type]': 'company_tools' }), listQuery(listPermissionTemplates, { 'filters[type]': 'project_tools' })],
        vendors: [listQuery(listVendors, { ...largestPage, view: 'compact' })],
        work_classifications: [listQuery(listWorkClassifications, largestPage)],
        trades: [listQuery(listTrades, largestPage)],
      },
      allowedIds: { permission_templates: options.permissionTemplateIds },
      requiredFields: {
        source: listQuery(listConfigurableFieldSets, largestPage),
        parse: items => parseRequiredFields(items, Object.keys(body.fields.properties)),
        unreadableDetail: 'None of the field sets of the company can be read as that of its users.',
      },
      constants: { countries: listCountries() },
    },
    success: { status: 200, description: 'What the form needs.', schema: responseSchema },
  }
}

/**
 * Field sets are of many forms. How Procore calls that of people is not documented, so it is told by a class or type `User` or `Users`, in
 * whatever module; where there is none, it is not known what the company requires. What is no field of the create is left out.
 */
function parseRequiredFields (fieldSets: readonly unknown[], knownFields: readonly string[]): string[] | undefined {
  const required = new Set<unknown>()
  let hasUserFieldSet = false
  for (const fieldSet of fieldSets) {
    if (!isObject(fieldSet) || ![fieldSet['class_name'], fieldSet['type']].some(name => typeof name === 'string' && /(?:^|:)users?$/i.test(name))) continue
    const { fields } = fieldSet
    if (!isObject(fields)) continue
    hasUserFieldSet = true
    for (const [fieldKey, field] of Object.entries(fields)) {
      if (isObject(field) && field['required'] === true) required.add(typeof field['name'] === 'string' ? field['name'] : fieldKey)
    }
  }
  return hasUserFieldSet ? knownFields.filter(name => required.has(name)) : undefined
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
