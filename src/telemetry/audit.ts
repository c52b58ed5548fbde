/**
 * Writes the audit trail: one line for each valid create or change, each read of people, and each refused caller, with
 * `name: audit`, whatever the log level is. It says who did what, and in which company. The person in the directory is
 * identified only by a keyed hash: a line can be found by an e-mail address, but no address can be derived from a line.
 */
import { hash, hkdfSync } from 'node:crypto'
import { limits } from '../config/limits.ts'
import type { Secret } from '../config/secret.ts'
import type { ProblemCode } from '../server/problem.ts'
import type { Logs } from './logger.ts'
import type { ChangeOutcome } from './request-record.ts'

/** Fields of one line. Fields that are undefined are left out. */
export interface AuditEntry {
  subject: string
  /** Address of the caller. */
  address: string | undefined
  companyId: number | undefined
  operation: string | undefined
  route: string | undefined
  /** Absent for a read and a refused caller, who changed nothing. */
  outcome?: ChangeOutcome
  /** Why a caller was refused. */
  code?: ProblemCode | undefined
  /** Lines about callers who are not authenticated that were omitted before this one. */
  omittedCount?: number | undefined
  /** Absent if the caller disconnected before the response. */
  status: number | undefined
  /** `id` of the record in Procore. */
  recordId?: number | string | undefined
  /** How many rows of a list were carried out, were rejected, or have an unknown outcome. */
  rows?: Readonly<Record<string, number>> | undefined
  requestId: string
  traceId: string | undefined
  procoreRequestId?: string | undefined
  /** Number of the row in a file that was imported. */
  row?: number
  /** Keyed hash of the value that identifies the record, such as the e-mail address. */
  fingerprint?: string | undefined
}

type AuditEvent = 'create' | 'change' | 'read' | 'refuse'

export class Audit {
  readonly #logs: Pick<Logs, 'auditLog' | 'output'>
  readonly #fingerprintKey: string
  #reservationCount = 0

  /**
   * Derives the key of the fingerprints from the secret as it is at startup (HKDF, RFC 5869). A new secret therefore
   * changes all fingerprints.
   */
  constructor (logs: Pick<Logs, 'auditLog' | 'output'>, secret: Secret) {
    this.#logs = logs
    const derivedKey = hkdfSync('sha256', secret.reveal(), '', 'audit-fingerprint', 32)
    this.#fingerprintKey = Buffer.from(derivedKey).toString('base64url')
  }

  /**
   * Reserves space for the lines of a request before it is sent, and returns whether there is any: none while the
   * reader of stdout is stalled and the buffer is full. If stdout fails, lines do not wait, so there is always space.
   * Each reservation must be released.
   */
  reserve (count = 1): boolean {
    const hasSpace = (this.#reservationCount + count) * limits.log.auditLineLength <= this.#logs.output.auditCapacity
    if (hasSpace) this.#reservationCount += count
    return hasSpace
  }

  release (count = 1): void {
    this.#reservationCount -= count
  }

  /** Writes a line with level `info`, even if the log level is higher. */
  write (entry: AuditEntry, event: AuditEvent): void {
    this.#logs.auditLog.info(entry, event)
  }

  /** Writes a line for which no space was reserved. If all space is reserved, the line is dropped and counted. */
  writeUnreserved (entry: AuditEntry, event: AuditEvent): void {
    if (!this.reserve()) return this.#logs.output.dropAuditLine()
    this.write(entry, event)
    this.release()
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
