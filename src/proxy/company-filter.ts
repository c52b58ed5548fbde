/** Removes the companies that a caller may not access from a list of companies. */
import type { UpstreamResult, UpstreamSuccess } from '../procore/result.ts'
import { Problem } from '../server/problem.ts'
import { isJsonObject } from '../util/is-json-object.ts'
import { parseJson } from '../util/parse-json.ts'
import type { CompanyCheck, Send } from './context.ts'

/** The response is built from the companies that were checked, so no two parsers can disagree about it. */
export const withCompanyFilter = (send: Send): Send => async request => {
  const result = await send(request)
  return result.kind === 'success' ? filterCompanies(result, request.isCompanyAllowed) : result
}

function filterCompanies (success: UpstreamSuccess, isCompanyAllowed: CompanyCheck): UpstreamResult {
  const companies = parseJson(success.body.toString('utf8'))
  if (!Array.isArray(companies)) {
    return { kind: 'failure', error: new Problem('procore_bad_response', 'Procore\'s response is not a list.') }
  }
  const allowed = companies.filter(company => {
    const id = isJsonObject(company) ? company['id'] : undefined
    // A company without a usable id cannot be checked.
    return typeof id === 'number' && Number.isSafeInteger(id) && id >= 1 && isCompanyAllowed(id)
  })
  // The total includes companies of others.
  const { total, ...headers } = success.headers ?? {}
  return { ...success, body: Buffer.from(JSON.stringify(allowed)), contentType: 'application/json', headers }
}
