/**
 * Describes the lists that provide the values for a user's fields. They contain no personal data, so they may be
 * cached.
 */
import { Type, type TObject, type TProperties } from '@sinclair/typebox'
import type { ProxiedEndpoint } from './endpoint.ts'
import { boolean, companyParams, dateRange, id, ids, oneOf, pageParams, text } from './fields.ts'

const optional = Type.Optional

/** An item of a pick-list. Other members that Procore returns are relayed unchanged. */
const listItem = (properties: TProperties = {}): TObject => Type.Object({
  id: Type.Integer({ description: 'The id in Procore.' }),
  name: optional(Type.Union([Type.String(), Type.Null()])),
  ...properties,
}, { additionalProperties: true })

const nullableString = optional(Type.Union([Type.String(), Type.Null()]))

/** Properties of all pick-lists: they are safe and cached. */
const pickListDefaults = { method: 'GET', effect: 'safe', cache: 'pick-list', params: companyParams } as const

/** The complete list: Procore does not page it. */
export const listPermissionTemplates: ProxiedEndpoint = {
  ...pickListDefaults,
  name: 'list-permission-templates',
  path: '/companies/:company_id/permission_templates',
  procorePath: '/rest/v1.0/companies/:company_id/permission_templates',
  summary: 'List permission templates',
  description: 'Lists all permission templates of a company. Without a filter, Procore may omit those of company ' +
    'tools.',
  query: Type.Object({
    'filters[type]': optional(oneOf(['company_tools', 'project_tools', 'global'], {
      description: 'The type of template.',
    })),
  }),
  success: {
    status: 200,
    description: 'The permission templates.',
    schema: Type.Array(listItem({ type: nullableString })),
  },
}

/** Paged. Procore's own path has the company in the query. */
export const listVendors: ProxiedEndpoint = {
  ...pickListDefaults,
  name: 'list-vendors',
  path: '/companies/:company_id/vendors',
  procorePath: '/rest/v1.0/vendors',
  summary: 'List vendors',
  description: 'Lists the vendors (companies) in the directory of a company.',
  query: Type.Object({
    ...pageParams,
    view: optional(oneOf(['compact', 'normal', 'extended'], { description: 'The level of detail for each vendor.' })),
    'filters[search]': optional(text({ description: 'Text that the name of the vendor contains.', examples: ['SID'] })),
    'filters[origin_id]': optional(text({
      description: 'The id of the vendor in the system of origin.',
      examples: ['foobar'],
    })),
    'filters[trade_id][]': optional(ids({
      description: 'The ids of trades; vendors with any of them match.',
      examples: [[5, 8]],
    })),
    'filters[id][]': optional(ids({ description: 'The ids of vendors.', examples: [[161072]] })),
    'filters[created_at]': optional(dateRange({
      description: 'When vendors were created: a start, or a start and an end separated by `...`.',
      examples: ['2026-01-01...2026-02-01'],
    })),
    'filters[updated_at]': optional(dateRange({
      description: 'When vendors were updated: a start, or a start and an end separated by `...`.',
      examples: ['2026-01-01...2026-02-01'],
    })),
  }),
  success: { status: 200, description: 'One page of vendors.', schema: Type.Array(listItem()), isPage: true },
}

/** Paged. */
export const listWorkClassifications: ProxiedEndpoint = {
  ...pickListDefaults,
  name: 'list-work-classifications',
  path: '/companies/:company_id/work_classifications',
  procorePath: '/rest/v1.0/companies/:company_id/work_classifications',
  summary: 'List work classifications',
  description: 'Lists the work classifications of a company.',
  query: Type.Object(pageParams),
  success: {
    status: 200,
    description: 'One page of work classifications.',
    schema: Type.Array(listItem({ abbreviation: nullableString })),
    isPage: true,
  },
}

/** Paged. */
export const listTrades: ProxiedEndpoint = {
  ...pickListDefaults,
  name: 'list-trades',
  path: '/companies/:company_id/trades',
  procorePath: '/rest/v1.0/companies/:company_id/trades',
  summary: 'List trades',
  description: 'Lists the trades of a company.',
  query: Type.Object({
    ...pageParams,
    'filters[active]': optional(boolean({ description: 'Whether the trade is active.', examples: [true] })),
    'filters[updated_at]': optional(dateRange({
      description: 'When trades were updated: a start, or a start and an end separated by `...`.',
      examples: ['2026-01-01...2026-02-01'],
    })),
  }),
  success: {
    status: 200,
    description: 'One page of trades.',
    schema: Type.Array(listItem({ active: optional(Type.Boolean()) })),
    isPage: true,
  },
}

/** Paged. Procore does not document the name of the field set for users. */
export const listConfigurableFieldSets: ProxiedEndpoint = {
  ...pickListDefaults,
  name: 'list-configurable-field-sets',
  path: '/companies/:company_id/configurable_field_sets',
  procorePath: '/rest/v1.0/companies/:company_id/configurable_field_sets',
  summary: 'List configurable field sets',
  description: 'Lists the field sets of a company: which fields of its records are shown and required.',
  query: Type.Object({
    ...pageParams,
    'filters[type]': optional(text({
      description: 'The type of field set.',
      examples: ['ConfigurableFieldSet::User'],
    })),
    'filters[generic_tool_id]': optional(id({
      description: 'The id of the generic tool that field sets belong to.',
      examples: [7],
    })),
  }),
  success: {
    status: 200,
    description: 'One page of field sets.',
    schema: Type.Array(listItem({ class_name: nullableString, fields: optional(Type.Unknown()) })),
    isPage: true,
  },
}
