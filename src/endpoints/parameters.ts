/** Parameters that many endpoints have: the company in the path, the page of a list. */
import { Type } from '@sinclair/typebox'
import { id } from './fields.ts'

/** Of nearly all paths; an id that is none is told as a fault of the path. */
export const company = Type.Object({
  company_id: id({ description: 'The id of the company.', examples: [1234] }),
})

/** Procore gives at most so many items at a time. */
export const pageMaxItems = 2000

/** Procore counts pages from 1, and says in `Link`, `Total` and `Per-Page` what there is. */
export const paging = {
  page: Type.Optional(id({ description: 'Which page, from 1 on.', examples: [1] })),
  per_page: Type.Optional(Type.Integer({ minimum: 1, maximum: pageMaxItems, description: 'How many items a page has.', examples: [100] })),
}
