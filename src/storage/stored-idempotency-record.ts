/**
 * Converts idempotency records to the JSON that is stored in Redis, and back. The stored names are a format: do not
 * rename them.
 */
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { fromWallTimeMs, toWallTimeMs } from '../util/clock.ts'
import { stringEnum } from '../endpoints/string-enum.ts'
import { problemCodes } from '../server/problem.ts'
import type { RelayedResult } from '../procore/result.ts'
import type { CompletedRecord, IndeterminateRecord } from './idempotency-store.ts'

const SuccessSchema = Type.Object({
  kind: Type.Literal('success'),
  status: Type.Integer(),
  contentType: Type.String(),
  base64: Type.String(),
  recordId: Type.Optional(Type.Union([Type.Number(), Type.String()])),
  recovered: Type.Optional(Type.Literal(true)),
})
const RejectionSchema = Type.Object({
  kind: Type.Literal('refusal'),
  status: Type.Integer(),
  body: Type.Optional(Type.Unknown()),
  existing: Type.Optional(Type.Object({ id: Type.Integer(), is_active: Type.Boolean() })),
})
const CompletedSchema = Type.Object({
  state: Type.Literal('answered'),
  fingerprint: Type.String(),
  procoreRequestId: Type.Optional(Type.String()),
  /** Records of version 0.1 do not have it. */
  sentAtMs: Type.Optional(Type.Number()),
  answeredAtMs: Type.Optional(Type.Number()),
  verdict: Type.Union([SuccessSchema, RejectionSchema]),
})
const IndeterminateSchema = Type.Object({
  state: Type.Literal('unknown'),
  fingerprint: Type.String(),
  sentAtMs: Type.Number(),
  answeredAtMs: Type.Optional(Type.Number()),
  code: stringEnum(problemCodes),
})
const StoredSchema = Type.Union([CompletedSchema, IndeterminateSchema])

type StoredRecord = Static<typeof StoredSchema>

/** Returns the record as JSON. The body of a response is stored as base64, since JSON has no type for bytes. */
export function serialize (record: CompletedRecord | IndeterminateRecord): unknown {
  const times = {
    sentAtMs: toWallTimeMs(record.sentAtMs),
    answeredAtMs: record.answeredAtMs === undefined ? undefined : toWallTimeMs(record.answeredAtMs),
  }
  if (record.state === 'unknown') return { ...record, ...times }
  const { result, ...completed } = { ...record, ...times }
  if (result.kind === 'rejection') return { ...completed, verdict: { ...result, kind: 'refusal' } }
  const { body, ...success } = result
  return { ...completed, verdict: { ...success, base64: body.toString('base64') } }
}

/**
 * Returns undefined if the value does not have the format that this version writes.
 * @param claimedAtMs time of a request whose record does not state it
 */
export function deserialize (
  value: unknown, claimedAtMs: number
): CompletedRecord | IndeterminateRecord | undefined {
  if (!isStoredRecord(value)) return undefined
  const sentAtMs = value.sentAtMs === undefined ? claimedAtMs : fromWallTimeMs(value.sentAtMs)
  const answeredAtMs = value.answeredAtMs === undefined ? undefined : fromWallTimeMs(value.answeredAtMs)
  if (value.state === 'unknown') return { ...value, sentAtMs, answeredAtMs }
  const { verdict, procoreRequestId, ...completed } = value
  return { ...completed, procoreRequestId, sentAtMs, answeredAtMs, result: toResult(verdict) }
}

function toResult (verdict: Static<typeof CompletedSchema>['verdict']): RelayedResult {
  if (verdict.kind === 'refusal') {
    const { status, body, existing } = verdict
    return { kind: 'rejection', status, body, ...(existing !== undefined && { existing }) }
  }
  const { base64, recordId, ...success } = verdict
  return { ...success, recordId, body: Buffer.from(base64, 'base64') }
}

function isStoredRecord (value: unknown): value is StoredRecord {
  return Value.Check(StoredSchema, value)
}
