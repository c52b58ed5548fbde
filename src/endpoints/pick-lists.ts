/** The lists of a company from which the fields of a user are chosen. Nothing in them is personal, so they may be kept for a moment. */
import { Type, type TObject, type TProperties } from '@sinclair/typebox'
import type { ProxiedEndpoint } from './endpoint.ts'
import { boolean, id, ids, oneOf, dateRange, text } from './fields.ts'
import { companyParams, pageParams } from './fields.ts'

const optional = Type.Optional

/** What Procore shows of an item beside this is passed on as it is. */
const listItem = (properties: TProperties = {}): TObject => Type.Object({
  id: Type.Integer({ description: 'The id at Procore.' }),
  name: optional(Type.Union([Type.String(), Type.Null()])),
  ...properties,
}, { additionalProperties: true })

const nullableString = optional(Type.Union([Type.String(), Type.Null()]))

/** All of them are safe, and kept. */
const pickListDefaults = { method: 'GET', effect: 'safe', cache: 'pick-list', params: companyParams } as const

/** All at once, since Procore does not page them. */
export const listPermissionTemplates: ProxiedEndpoint = {
  ...pickListDefaults,
  name: 'list-permission-templates',
  path: '/companies/:company_id/permission_templates',
  procorePath: '/rest/v1.0/companies/:company_id/permission_templates',
  summary: 'List permission templates',
  description: 'The permission templates of a company, all at once; without a filter Procore may leave out those of company tools.',
  query: Type.Object({
    'filters[type]': optional(oneOf(['company_tools', 'project_tools', 'global'], { description: 'The kind of template.' })),
  }),
  success: { status: 200, description: 'The permission templates.', schema: Type.Array(listItem({ type: nullableString })) },
}

/** By page. In Procore's own path the company stands in the query. */
export const listVendors: ProxiedEndpoint = {
  ...pickListDefaults,
  name: 'list-vendors',
  path: '/companies/:company_id/vendors',
  procorePath: '/rest/v1.0/vendors',
  summary: 'List vendors',
  description: 'The vendors (companies) in the directory of a company.',
  query: Type.Object({
    ...pageParams,
    view: optional(oneOf(['compact', 'normal', 'extended'], { description: 'How much is told of each vendor.' })),
    'filters[search]': optional(text({ description: 'What the name of a vendor has to hold.', examples: ['SID'] })),
    'filters[origin_id]': optional(text({ description: 'The id in the system that a vendor comes from.', examples: ['foobar'] })),
    'filters[trade_id][]': optional(ids({ description: 'The trades of which vendors have one.', examples: [[5, 8]] })),
    'filters[id][]': optional(ids({ description: 'The vendors that are wanted.', examples: [[161072]] })),
    'filters[created_at]': optional(dateRange({ description: 'When vendors were created: since then, or between two with `...`.', examples: ['2026-01-01...2026-02-01'] })),
    'filters[updated_at]': optional(dateRange({ description: 'When vendors were changed.', examples: ['2026-01-01...2026-02-01'] })),
  }),
  success: { status: 200, description: 'One page of vendors.', schema: Type.Array(listItem()), isPage: true },
}

/** By page. */
export const listWorkClassifications: ProxiedEndpoint = {
  ...pickListDefaults,
  name: 'list-work-classifications',
  path: '/companies/:company_id/work_classifications',
  procorePath: '/rest/v1.0/companies/:company_id/work_classifications',
  summary: 'List work classifications',
  description: 'The work classifications of a company.',
  query: Type.Object(pageParams),
  success: { status: 200, description: 'One page of work classifications.', schema: Type.Array(listItem({ abbreviation: nullableString })), isPage: true },
}

/** By page. */
export const listTrades: ProxiedEndpoint = {
  ...pickListDefaults,
  name: 'list-trades',
  path: '/companies/:company_id/trades',
  procorePath: '/rest/v1.0/companies/:company_id/trades',
  summary: 'List trades',
  description: 'The trades of a company.',
  query: Type.Object({
    ...pageParams,
    'filters[active]': optional(boolean({ description: 'Whether a trade can be chosen.', examples: [true] })),
    'filters[updated_at]': optional(dateRange({ description: 'When trades were changed: since then, or between two with `...`.', examples: ['2026-01-01...2026-02-01'] })),
  }),
  success: { status: 200, description: 'One page of trades.', schema: Type.Array(listItem({ active: optional(Type.Boolean()) })), isPage: true },
}

/** By page. How Procore calls the set of people is not documented. */
export const listConfigurableFieldSets: ProxiedEndpoint = {
  ...pickListDefaults,
  name: 'list-configurable-field-sets',
  path: '/companies/:company_id/configurable_field_sets',
  procorePath: '/rest/v1.0/companies/:company_id/configurable_field_sets',
  summary: 'List configurable field sets',
  description: 'Which fields of its records a company shows and requires.',
  query: Type.Object({
    ...pageParams,
    'filters[type]': optional(text({ description: 'The type of field set.', examples: ['ConfigurableFieldSet::User'] })),
    'filters[generic_tool_id]': optional(id({ description: 'The generic tool that field sets belong to.', examples: [7] })),
  }),
  success: { status: 200, description: 'One page of field sets.', schema: Type.Array(listItem({ class_name: nullableString, fields: optional(Type.Unknown()) })), isPage: true },
}
