/** One request at the mirror: what the ways of JSON and of forms need to know of it, and how they hand over what they made. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { Config } from '../config.ts'
import type { Trail } from '../observe/trail.ts'
import type { Verdict } from '../procore/outcome.ts'
import type { Draft } from './draft.ts'
import type { Shape } from './shape.ts'

export interface Visit {
  raw: IncomingMessage
  response: ServerResponse
  bodies: Config['bodies']
  /** The shape of the body. */
  shape: Shape
  /** Path and query, judged already: their faults are told together with the body's. */
  drafts: readonly Draft[]
  trail: Trail
  send (body: Buffer | Readable, contentType: string): Promise<Verdict>
}
