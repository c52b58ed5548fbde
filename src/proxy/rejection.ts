import { getFormName } from '../endpoints/endpoint.ts'
import { parseMessages, type ProcoreMessage } from '../procore/error-messages.ts'
import type { UpstreamRejection } from '../procore/result.ts'
import { Problem, type ProblemExtras, type FieldError } from '../server/problem.ts'
import { toJsonPointer } from './validation/record.ts'
import type { CompiledRecord } from './validation/schema.ts'

/**
 * Turns a rejection by Procore into a problem. Procore's messages become field errors with `rule: procore`, in the same
 * format as those of this service; its whole body is included beside them. The first message that names no field is
 * part of the detail, because a form has no place for it.
 */
export function rejectionProblem ({ status, body, existing }: UpstreamRejection, compiled: CompiledRecord): Problem {
  const procore = body === undefined ? { status } : { status, body }
  const extras: ProblemExtras = { status, outcome: 'rejected', procore }
  if (existing !== undefined) extras.existing = existing
  const messages = parseMessages(body)
  if (messages.length > 0) extras.errors = messages.map(message => toFieldError(message, compiled))
  const general = messages.find(({ field }) => field === undefined)
  const reason = general === undefined ? '.' : `: ${general.message}`
  const remedy = status === 403 && notConnected.test(reason) ? installRemedy : ''
  return new Problem('procore_rejected', `Procore rejected the request with status ${status}${reason}${remedy}`, extras)
}

/** Procore's words for a company in which nobody has installed the app. */
const notConnected = /\bnot connected to this company\b/i
const installRemedy = ' An administrator of the company has to install the app: in Procore, App Management.'

/** Procore names a field with or without its record; `base` is the record itself. */
function toFieldError ({ field, message }: ProcoreMessage, compiled: CompiledRecord): FieldError {
  return { in: compiled.location, ...locateField(field, compiled), rule: 'procore', message }
}

function locateField (
  field: string | undefined, { rootKey, fields, nested }: CompiledRecord
): Pick<FieldError, 'pointer' | 'field'> {
  const root = { pointer: '', field: '' }
  if (rootKey === undefined) {
    // Without a record, only the name of a parameter or of the list points to something that the caller sent.
    const isKnown = field !== undefined && (fields.has(field) || nested.has(field))
    return isKnown ? { pointer: toJsonPointer([field]), field } : root
  }
  const dotted = field?.replace(/^([^.[]+)\[([^\]]*)\]$/, '$1.$2')
  const name = dotted?.startsWith(`${rootKey}.`) === true ? dotted.slice(rootKey.length + 1) : dotted
  if (name === undefined || name === '') return root
  if (name === 'base' || name === rootKey) return { pointer: toJsonPointer([rootKey]), field: rootKey }
  // A member of a record in the record, such as `contacts[0].phone`.
  const steps = name.split(/[.[\]]+/)
  const path = nested.has(steps[0] ?? '') ? [rootKey, ...steps] : [rootKey, name]
  return { pointer: toJsonPointer(path), field: getFormName(path, false) }
}
