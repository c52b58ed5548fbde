/** Describes the list of companies, as Procore documents it. */
import { Type } from '@sinclair/typebox'
import type { Endpoint } from './endpoint.ts'
import { pageParams } from './fields.ts'

/** Procore's List Companies, v1.0: the companies in which the app is installed. */
export const listCompanies: Endpoint = {
  name: 'list-companies',
  method: 'GET',
  effect: 'safe',
  companies: 'filtered',
  path: '/companies',
  procorePath: '/rest/v1.0/companies',
  summary: 'List companies',
  description: 'Lists the companies that the caller may access, 100 to a page unless `per_page` says otherwise. ' +
    'Pages and their total have no other companies.',
  params: Type.Object({}),
  query: Type.Object(pageParams),
  success: {
    status: 200,
    description: 'One page of companies.',
    schema: Type.Array(Type.Object({
      id: Type.Integer({ description: 'The id of the company.', examples: [1234] }),
      name: Type.Optional(Type.Union([Type.String(), Type.Null()])),
      is_active: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
    }, { additionalProperties: true })),
    isPage: true,
  },
}
