/** What the caller is told of Procore's verdict: a success byte for byte, a refusal as a problem that points at the inputs. */
import type { FastifyReply } from 'fastify'
import type { Trail } from '../observe/trail.ts'
import { Problem, type Fault, type ProblemExtras } from '../problem.ts'
import { readMessages, type ProcoreMessage } from '../procore/messages.ts'
import type { Refusal, Success } from '../procore/outcome.ts'
import { pointerTo } from './draft.ts'
import type { Shape } from './shape.ts'

/** Which answer of Procore's this one goes back to, whatever it says. */
export function nameOrigin (reply: FastifyReply, { procoreRequestId, replayed }: Trail): void {
  if (procoreRequestId !== undefined) reply.header('procore-request-id', procoreRequestId)
  if (replayed === true) reply.header('idempotency-replayed', 'true')
}

export function relaySuccess (reply: FastifyReply, { status, contentType, body, recovered }: Success): FastifyReply {
  if (recovered === true) reply.header('x-outcome', 'recovered')
  return reply.code(status).header('content-type', contentType).header('cache-control', 'no-store').send(body)
}

/** Statuses whose bodies are about the inputs. */
const validationStatuses = new Set([400, 409, 422])

export function refusalProblem ({ status, body }: Refusal, shape: Shape): Problem {
  const extras: ProblemExtras = { status, outcome: 'rejected', procore: body === undefined ? { status } : { status, body } }
  if (validationStatuses.has(status)) {
    const errors = readMessages(body).map(message => faultOf(message, shape))
    if (errors.length > 0) extras.errors = errors
  }
  return new Problem('procore_rejected', `Procore refused the request with status ${status}.`, extras)
}

/** Procore names a field with or without its record; `base` is the record itself. */
function faultOf ({ field, message }: ProcoreMessage, shape: Shape): Fault {
  const key = shape.key ?? ''
  const name = field?.replace(/^([^.[]+)\[([^\]]*)\]$/, '$1.$2').replace(new RegExp(`^${key}\\.`), '')
  const rule = 'procore'
  if (name === undefined || name === '') return { in: 'body', pointer: '', field: '', rule, message }
  if (name === 'base' || name === key) return { in: 'body', pointer: pointerTo([key]), field: key, rule, message }
  return { in: 'body', pointer: pointerTo([key, name]), field: `${key}[${name}]`, rule, message }
}
