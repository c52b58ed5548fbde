/** Which companies may be addressed at all: judged before the body is read and before anything is asked of Procore. */
import type { FastifyInstance } from 'fastify'
import type { Config } from '../config.ts'
import { Problem } from '../problem.ts'

/** An id that can't be read is let through: the mirror says what is wrong with it, and sends nothing. */
export function addCompanyScope (app: FastifyInstance, { companyIds }: Config['callers']): void {
  if (companyIds.size === 0) return
  app.addHook<{ Params: { company_id?: string } }>('onRequest', (request, _reply, done) => {
    const text = request.params.company_id
    const isOutside = text !== undefined && /^\d+$/.test(text) && !companyIds.has(Number(text))
    done(isOutside ? new Problem('company_not_allowed', 'This service may not address this company.') : undefined)
  })
}
