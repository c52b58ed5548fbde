/** Parameters that many endpoints have: the company in the path, the page of a list. */
import { Type } from '@sinclair/typebox'
import { id } from './fields.ts'

export const company = Type.Object({
  company_id: id({ description: 'The id of the company.', examples: [1234] }),
})

/** Procore gives at most so many items at a time. */
const pageMaxItems = 2000

export const paging = {
  page: Type.Optional(id({ description: 'Which page, from 1 on.', examples: [1] })),
  per_page: Type.Optional(Type.Integer({ minimum: 1, maximum: pageMaxItems, description: 'How many items a page has.', examples: [100] })),
}
