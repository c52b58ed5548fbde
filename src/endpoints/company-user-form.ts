/** Describes the endpoint that returns all data for a screen that creates a company user, in one response. */
import { Type } from '@sinclair/typebox'
import { listCountries } from './iso-3166.ts'
import { createCompanyUser } from './company-users.ts'
import type { Endpoint, ListQuery, ProxiedEndpoint } from './endpoint.ts'
import { companyParams, pageMaxItems, type EndpointOptions } from './fields.ts'
import {
  listConfigurableFieldSets, listPermissionTemplates, listTrades, listVendors, listWorkClassifications,
} from './pick-lists.ts'

const listQuery = (list: ProxiedEndpoint, query: Record<string, string>): ListQuery => ({ list, query })
const largestPage = { per_page: String(pageMaxItems) }

const listSchema = Type.Array(Type.Object({}, { additionalProperties: true }))
const nullableList = Type.Union([listSchema, Type.Null()], {
  description: 'Null if the list could not be loaded; `problems` has the reason.',
})

const responseSchema = Type.Object({
  schema: Type.Object({}, {
    additionalProperties: true,
    description: 'The JSON Schema (2020-12) of the body of the create.',
  }),
  required_fields: Type.Union([Type.Array(Type.String()), Type.Null()], {
    description: 'The fields that the company requires according to its field sets. Procore enforces them with ' +
      '`run_configurable_validations`. Null if the field sets could not be read; `problems` has the reason.',
  }),
  pick_lists: Type.Object({
    permission_templates: nullableList,
    vendors: nullableList,
    work_classifications: nullableList,
    trades: nullableList,
  }),
  incomplete: Type.Array(Type.String(), {
    description: 'Names of the lists that have more items than are included here. Search in them.',
  }),
  countries: Type.Array(Type.Object({
    code: Type.String(),
    name: Type.String(),
    subdivisions: Type.Array(Type.Object({ code: Type.String(), name: Type.String() })),
  })),
  avatar: Type.Object({ types: Type.Array(Type.String()), maxBytes: Type.Integer(), maxPixels: Type.Integer() }),
  problems: Type.Record(Type.String(), Type.Object({ code: Type.String(), detail: Type.String() }), {
    description: 'The reason why a part is null, by its name.',
  }),
})

/** Creates the endpoint. This service answers it from Procore's lists, which are cached like any pick-list. */
export function companyUserForm (options: EndpointOptions): Endpoint {
  const { body } = createCompanyUser(options)
  return {
    name: 'company-user-form',
    method: 'GET',
    effect: 'safe',
    path: '/companies/:company_id/users/form',
    summary: 'Get the metadata of a form that creates a company user',
    description: 'Returns the schema of the create, the lists for its fields, countries and subdivisions, the fields ' +
      'that the company requires, and the limits of an avatar. A list that could not be loaded is null.',
    params: companyParams,
    query: Type.Object({}),
    formMetadata: {
      body,
      lists: {
        // Without a filter, Procore returns only the templates of projects.
        permission_templates: [
          listQuery(listPermissionTemplates, { 'filters[type]': 'company_tools' }),
          listQuery(listPermissionTemplates, { 'filters[type]': 'project_tools' }),
        ],
        vendors: [listQuery(listVendors, { ...largestPage, view: 'compact' })],
        work_classifications: [listQuery(listWorkClassifications, largestPage)],
        trades: [listQuery(listTrades, largestPage)],
      },
      allowedIds: { permission_templates: options.permissionTemplateIds },
      requiredFields: {
        source: listQuery(listConfigurableFieldSets, largestPage),
        parse: items => parseRequiredFields(items, Object.keys(body.fields.properties)),
        unreadableDetail: 'The company has no field set that can be recognized as that of its users.',
      },
      buildConstants: () => ({ countries: listCountries() }),
    },
    success: { status: 200, description: 'The metadata of the form.', schema: responseSchema },
  }
}

/**
 * Returns the fields that the company requires for users, or undefined if no field set for users is found. Procore does
 * not document the name of that field set, so it is recognized by the class or type `User` or `Users`, in any module.
 * Fields that the create does not have are omitted.
 */
function parseRequiredFields (fieldSets: readonly unknown[], knownFields: readonly string[]): string[] | undefined {
  const required = new Set<unknown>()
  let hasUserFieldSet = false
  for (const fieldSet of fieldSets) {
    if (!isObject(fieldSet) || ![fieldSet['class_name'], fieldSet['type']].some(isUserClass)) continue
    const { fields } = fieldSet
    if (!isObject(fields)) continue
    hasUserFieldSet = true
    for (const [fieldKey, field] of Object.entries(fields)) {
      if (!isObject(field) || field['required'] !== true) continue
      required.add(typeof field['name'] === 'string' ? field['name'] : fieldKey)
    }
  }
  return hasUserFieldSet ? knownFields.filter(name => required.has(name)) : undefined
}

function isUserClass (name: unknown): boolean {
  return typeof name === 'string' && /(?:^|:)users?$/i.test(name)
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
