/**
 * The audit trail: one line for each create or change that was valid, on a logger of its own name and at whatever level the log is. It says who
 * made or changed what where, and names the person only by a keyed hash, so that a line can be found for an address but no address from a line.
 */
import { hash, hkdfSync } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Secret } from '../secret.ts'
import { lineWriter, type LineWriter } from './log.ts'
import type { Result } from './trail.ts'

export interface AuditEntry {
  subject: string
  companyId: number
  /** The operation's name. */
  operation: string
  route: string | undefined
  outcome: Result
  /** Nothing when the caller left before there was an answer. */
  status: number | undefined
  /** Of the record at Procore. */
  recordId: number | string | undefined
  requestId: string
  traceId: string | undefined
  procoreRequestId: string | undefined
  /** Of what tells the record apart, such as the e-mail address. */
  fingerprint: string | undefined
}

export class Audit {
  readonly #write: LineWriter
  readonly #key: string

  /** The key follows from the secret, so fingerprints change with it. */
  constructor (log: FastifyBaseLogger, secret: Secret) {
    this.#write = lineWriter(log, { isAlways: true, name: 'audit' })
    this.#key = Buffer.from(hkdfSync('sha256', secret.reveal(), '', 'audit-fingerprint', 32)).toString('base64url')
  }

  write (entry: AuditEntry, what: 'create' | 'change'): void {
    this.#write('info', entry, what)
  }

  /** The same for the same address, whatever its case. */
  fingerprint (identifier: unknown): string | undefined {
    if (typeof identifier !== 'string') return undefined
    // A truncated hash can't be extended, so a key before the text makes a MAC of it, at a third of what createHmac costs.
    return hash('sha512-256', this.#key + identifier.toLowerCase(), 'base64url')
  }
}
