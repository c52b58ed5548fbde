/** Generates valid bodies, and reads the fields of mutated ones with independent parsers. */
import { Type } from '@sinclair/typebox'
import busboy from 'busboy'
import { parseMultipart } from '../../tools/emulator/multipart.ts'
import { assertSchema } from '../helpers/assert-schema.ts'
import type { Random } from '../helpers/random.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, type MultipartPart } from '../helpers/requests.ts'

/** Values of a body by field. The avatar is in hexadecimal. */
export type ParsedFields = Record<string, string>

const image = png(200)
const fieldTypes: Record<string, 'integer' | 'boolean' | 'text'> = {
  vendor_id: 'integer',
  work_classification_id: 'integer',
  business_phone_extension: 'integer',
  is_active: 'boolean',
  is_employee: 'boolean',
  bid_contact: 'boolean',
}
const sampleTexts: readonly [string, ...string[]] = ['Doe', 'Zoë "Q" \\ Ünal', 'a;b=c', ' ', '--b', '1\r\n2', '']
const optionalFields = [
  'first_name', 'city', 'notes', 'zip', 'is_active', 'vendor_id', 'business_phone_extension', 'country_code',
] as const

function randomValues (random: Random): Map<string, string> {
  const chosen = new Map([['last_name', 'Doe'], ['email_address', 'jane@example.com']])
  for (const name of optionalFields) {
    if (random.chance(0.6)) continue
    chosen.set(name, randomValue(name, random))
  }
  return chosen
}

function randomValue (name: string, random: Random): string {
  if (name === 'country_code') return 'US'
  if (fieldTypes[name] === 'integer') return '17'
  return fieldTypes[name] === 'boolean' ? random.pick(['true', '0']) : random.pick(sampleTexts)
}

export function generateJsonBody (random: Random): Buffer {
  const user = Object.fromEntries([...randomValues(random)].map(([name, value]) => [name, toJsonValue(name, value)]))
  return Buffer.from(JSON.stringify({ user }, undefined, random.below(3)))
}

function toJsonValue (name: string, value: string): string | number | boolean {
  if (fieldTypes[name] === 'integer') return Number(value)
  return fieldTypes[name] === 'boolean' ? value === 'true' : value
}

export function generateMultipartBody (random: Random): Buffer {
  const parts: MultipartPart[] = [...randomValues(random)].map(([name, data]) => {
    return { name: `user[${name}]`, data, ...(random.chance(0.2) && { type: 'text/plain; charset=utf-8' }) }
  })
  if (random.chance(0.5)) {
    const index = random.below(parts.length + 1)
    const filename = random.pick(['a.png', 'ü "x".png', 'C:\\a.png']).replaceAll('"', '%22')
    parts.splice(index, 0, { name: 'user[avatar]', filename, type: 'image/png', data: image })
  }
  return multipartBody(parts, 'b')
}

const BodySchema = Type.Object({ user: Type.Record(Type.String(), Type.Unknown()) })

/** Reads the fields with JSON.parse. A byte order mark is skipped, and null means that there is no value. */
export function parseJsonFields (body: Buffer): ParsedFields {
  const { user } = assertSchema(BodySchema, JSON.parse(body.toString().replace(/^\ufeff/, '')))
  const fields = Object.entries(user).filter(([, value]) => value !== null)
  return Object.fromEntries(fields.map(([name, value]) => [name, JSON.stringify(value)]))
}

/**
 * Reads the fields with busboy. Of a boolean the last value counts. Any other repeated field and a foreign one get a
 * name that no field has.
 */
export function parseMultipartFields (body: Buffer, contentType: string): Promise<ParsedFields> {
  return new Promise((resolve, reject) => {
    const fields: ParsedFields = {}
    const setField = (name: string, value: string) => {
      const field = /^user\[(\w+)\]$/.exec(name)?.[1]
      const isRepeated = field !== undefined && Object.hasOwn(fields, field) && fieldTypes[field] !== 'boolean'
      fields[field === undefined || isRepeated ? `! ${name}` : field] = value
    }
    const parser = busboy({
      headers: { 'content-type': contentType }, defParamCharset: 'utf8', limits: { fieldSize: 1_000_000 },
    })
    parser.on('field', setField).on('error', reject).on('close', () => resolve(fields))
    parser.on('file', (name, stream, { filename }: { filename?: string }) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject).on('close', () => {
        const bytes = Buffer.concat(chunks)
        // For busboy, a part of type application/octet-stream is a file even without a file name.
        if (filename === undefined) setField(name, bytes.toString())
        else if (filename !== '' || bytes.length > 0) setField(name, bytes.toString('hex'))
      })
    })
    // busboy ignores a part whose delimiter is followed by white space.
    parser.end(Buffer.from(body.toString('latin1').replaceAll(/(^|\r\n)--b[ \t]+\r\n/g, '$1--b\r\n'), 'latin1'))
  })
}

/** Reads the fields sent upstream with the emulator's strict parser. */
export function parseSentMultipartFields (body: Buffer, contentType: string): ParsedFields {
  return Object.fromEntries(parseMultipart(contentType, body).map(({ name, filename, data }) => {
    const field = /^user\[(\w+)\]$/.exec(name)?.[1] ?? `! ${name}`
    return [field, data.toString(filename === undefined ? 'utf8' : 'hex')]
  }))
}

/** Normalizes leading zeros and `1` for true, and drops empty inputs of fields that are not texts. */
export function normalize (fields: ParsedFields): ParsedFields {
  const normalized: ParsedFields = {}
  for (const [name, value] of Object.entries(fields)) {
    const isText = fieldTypes[name] === undefined && name !== 'country_code' && name !== 'state_code'
    if (value === '' && !isText) continue
    if (fieldTypes[name] === 'integer') normalized[name] = String(Number(value))
    else if (fieldTypes[name] === 'boolean') normalized[name] = String(value === 'true' || value === '1')
    else normalized[name] = value
  }
  return normalized
}
