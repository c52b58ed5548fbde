/**
 * Writes the audit trail: one line for each valid create or change, with `name: audit`, whatever the log level is. It
 * says who created or changed what, and in which company. The person is identified only by a keyed hash: a line can be
 * found by an e-mail address, but no address can be derived from a line.
 */
import { hash, hkdfSync } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Secret } from '../config/secret.ts'
import type { ChangeOutcome } from './request-record.ts'

/** Fields of one line. Fields that are undefined are left out. */
export interface AuditEntry {
  subject: string
  companyId: number
  operation: string
  route: string | undefined
  outcome: ChangeOutcome
  /** Absent if the caller disconnected before the response. */
  status: number | undefined
  /** `id` of the record in Procore. */
  recordId: number | string | undefined
  requestId: string
  traceId: string | undefined
  procoreRequestId: string | undefined
  /** Keyed hash of the value that identifies the record, such as the e-mail address. */
  fingerprint: string | undefined
}

export class Audit {
  readonly #log: FastifyBaseLogger
  readonly #fingerprintKey: string

  /**
   * Derives the key of the fingerprints from the secret as it is at startup (HKDF, RFC 5869). A new secret therefore
   * changes all fingerprints.
   */
  constructor (log: FastifyBaseLogger, secret: Secret) {
    // A level of its own, so that LOG_LEVEL does not silence it.
    this.#log = log.child({ name: 'audit' }, { level: 'info' })
    const derivedKey = hkdfSync('sha256', secret.reveal(), '', 'audit-fingerprint', 32)
    this.#fingerprintKey = Buffer.from(derivedKey).toString('base64url')
  }

  /** Writes a line with level `info`, even if the log level is higher. */
  write (entry: AuditEntry, event: 'create' | 'change'): void {
    this.#log.info(entry, event)
  }

  /**
   * Returns the fingerprint of an identifier: a SHA-512/256 in base64url, 43 characters. It does not depend on upper
   * and lower case. Returns undefined for a value that is not a string.
   */
  fingerprint (identifier: unknown): string | undefined {
    if (typeof identifier !== 'string') return undefined
    // A truncated hash is safe from length extension, so a prepended key makes it a MAC, at a third of the cost of
    // HMAC.
    return hash('sha512-256', this.#fingerprintKey + identifier.toLowerCase(), 'base64url')
  }
}
