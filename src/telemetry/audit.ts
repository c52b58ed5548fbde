/**
 * The audit trail: one line for each create or change that was valid, on a logger of its own name and at whatever level the log is. It says who
 * made or changed what where, and names the person only by a keyed hash, so that a line can be found for an address but no address from a line.
 */
import { hash, hkdfSync } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Secret } from '../config/secret.ts'
import { createLineWriter, type LineWriter } from './logger.ts'
import type { ChangeOutcome } from './request-record.ts'

/** What one line says; what is not known is left out. */
export interface AuditEntry {
  subject: string
  companyId: number
  /** The operation's name. */
  operation: string
  route: string | undefined
  outcome: ChangeOutcome
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

/** The writer of it, one for the service. */
export class Audit {
  readonly #write: LineWriter
  readonly #fingerprintKey: string

  /**
   * The key of the fingerprints follows from the secret (HKDF, RFC 5869) as it is at the start, so they change with it.
   * @throws {TypeError} when the log was not made by log.ts
   */
  constructor (log: FastifyBaseLogger, secret: Secret) {
    this.#write = createLineWriter(log, { ignoreLevel: true, name: 'audit' })
    this.#fingerprintKey = Buffer.from(hkdfSync('sha256', secret.reveal(), '', 'audit-fingerprint', 32)).toString('base64url')
  }

  /** Writes at `info`, whatever the level of the log is. */
  write (entry: AuditEntry, event: 'create' | 'change'): void {
    this.#write('info', entry, event)
  }

  /** The same for the same address, whatever its case; nothing for what is no string. SHA-512/256 in base64url, 43 characters. */
  fingerprint (identifier: unknown): string | undefined {
    if (typeof identifier !== 'string') return undefined
    // A truncated hash can't be extended, so a key before the text makes a MAC of it, at a third of what createHmac costs.
    return hash('sha512-256', this.#fingerprintKey + identifier.toLowerCase(), 'base64url')
  }
}
