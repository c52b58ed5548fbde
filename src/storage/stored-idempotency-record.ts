/** The record of a key as JSON for the shared store, and back: what does not have the form that was written is no record. */
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { choice } from '../endpoints/string-enum.ts'
import { problemCodes } from '../server/problem.ts'
import type { AnsweredKey, UnknownKey } from './idempotency-store.ts'

const optional = Type.Optional

const SuccessSchema = Type.Object({
  kind: Type.Literal('success'),
  status: Type.Integer(),
  contentType: Type.String(),
  base64: Type.String(),
  recordId: optional(Type.Union([Type.Number(), Type.String()])),
  recovered: optional(Type.Literal(true)),
})
const RefusalSchema = Type.Object({ kind: Type.Literal('refusal'), status: Type.Integer(), body: optional(Type.Unknown()) })
const AnsweredSchema = Type.Object({
  state: Type.Literal('answered'),
  fingerprint: Type.String(),
  procoreRequestId: optional(Type.String()),
  verdict: Type.Union([SuccessSchema, RefusalSchema]),
})
const UnknownSchema = Type.Object({ state: Type.Literal('unknown'), fingerprint: Type.String(), sentAtMs: Type.Number(), code: choice(problemCodes) })
const StoredSchema = Type.Union([AnsweredSchema, Type.Object({ ...UnknownSchema.properties, code: Type.Union(problemCodes.map(code => Type.Literal(code))) })])

type Stored = Static<typeof AnsweredSchema> | Static<typeof UnknownSchema>

/** JSON has no bytes, so a body is stored as base64. */
export function toStored (record: AnsweredKey | UnknownKey): unknown {
  if (record.state === 'unknown' || record.verdict.kind === 'refusal') return record
  const { body, ...verdict } = record.verdict
  return { ...record, verdict: { ...verdict, base64: body.toString('base64') } }
}

/** Nothing when the value is not of the form that this version writes. */
export function fromStored (value: unknown): AnsweredKey | UnknownKey | undefined {
  if (!isStored(value)) return undefined
  if (value.state === 'unknown') return value
  const { verdict, fingerprint, procoreRequestId } = value
  if (verdict.kind === 'refusal') return { state: 'answered', fingerprint, procoreRequestId, verdict: { kind: 'refusal', status: verdict.status, body: verdict.body } }
  const { base64, recordId, ...success } = verdict
  return { state: 'answered', fingerprint, procoreRequestId, verdict: { ...success, recordId, body: Buffer.from(base64, 'base64') } }
}

function isStored (value: unknown): value is Stored {
  return Value.Check(StoredSchema, value)
}
