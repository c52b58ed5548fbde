/** Turns a rejection of Procore's into a problem that points at the inputs. */

import { parseMessages, type ProcoreMessage } from '../procore/error-messages.ts'
import type { UpstreamRejection } from '../procore/interpret.ts'
import { Problem, type ProblemExtras, type FieldError } from '../server/problem.ts'
import { toJsonPointer } from './validation/json-pointer.ts'
import type { CompiledRecord } from './validation/schema.ts'

/** Statuses whose bodies are about the inputs. */
const validationStatuses = new Set([400, 409, 422])

/** What Procore said of inputs becomes faults of them, in the form of our own (`rule: procore`); all that it said is kept beside them. */
export function rejectionProblem ({ status, body }: UpstreamRejection, shape: CompiledRecord): Problem {
  const extras: ProblemExtras = { status, outcome: 'rejected', procore: body === undefined ? { status } : { status, body } }
  if (validationStatuses.has(status)) {
    const errors = parseMessages(body).map(message => toFieldError(message, shape))
    if (errors.length > 0) extras.errors = errors
  }
  return new Problem('procore_rejected', `Procore refused the request with status ${status}.`, extras)
}

/** Procore names a field with or without its record; `base` is the record itself. */
function toFieldError ({ field, message }: ProcoreMessage, shape: CompiledRecord): FieldError {
  const { location, rootKey } = shape
  const rule = 'procore'
  // Where there is no record, a name is that of a parameter, or says nothing that a caller could find.
  if (rootKey === undefined) return field !== undefined && shape.fields.has(field) ? { in: location, pointer: toJsonPointer([field]), field, rule, message } : { in: location, pointer: '', field: '', rule, message }
  const name = field?.replace(/^([^.[]+)\[([^\]]*)\]$/, '$1.$2').replace(new RegExp(`^${rootKey}\\.`), '')
  if (name === undefined || name === '') return { in: location, pointer: '', field: '', rule, message }
  if (name === 'base' || name === rootKey) return { in: location, pointer: toJsonPointer([rootKey]), field: rootKey, rule, message }
  return { in: location, pointer: toJsonPointer([rootKey, name]), field: `${rootKey}[${name}]`, rule, message }
}
