/** Bodies that are valid before they are damaged, and what an independent parser reads from their bytes afterwards. */
import busboy from 'busboy'
import { parseMultipart } from '../../tools/emulator/multipart.ts'
import type { Random } from '../helpers/random.ts'
import { png } from '../helpers/images.ts'
import { multipartBody, type MultipartPart } from '../helpers/requests.ts'

/** What a body says, by field; the avatar as its bytes in hexadecimal. */
export type ParsedFields = Record<string, string>

const image = png(200)
const fieldTypes: Record<string, 'integer' | 'boolean' | 'text'> = { vendor_id: 'integer', work_classification_id: 'integer', business_phone_extension: 'integer', is_active: 'boolean', is_employee: 'boolean', bid_contact: 'boolean' }
const sampleTexts: readonly [string, ...string[]] = ['Doe', 'Zoë "Q" \\ Ünal', 'a;b=c', ' ', '--b', '1\r\n2', '']
const optionalFields = ['first_name', 'city', 'notes', 'zip', 'is_active', 'vendor_id', 'business_phone_extension', 'country_code'] as const

function randomValues (random: Random): Map<string, string> {
  const chosen = new Map([['last_name', 'Doe'], ['email_address', 'jane@example.com']])
  for (const name of optionalFields) {
    if (random.chance(0.6)) continue
    chosen.set(name, name === 'country_code' ? 'US' : fieldTypes[name] === 'integer' ? '17' : fieldTypes[name] === 'boolean' ? random.pick(['true', '0']) : random.pick(sampleTexts))
  }
  return chosen
}

export function generateJsonBody (random: Random): Buffer {
  const user = Object.fromEntries([...randomValues(random)].map(([name, value]) => [name, fieldTypes[name] === 'integer' ? Number(value) : fieldTypes[name] === 'boolean' ? value === 'true' : value]))
  return Buffer.from(JSON.stringify({ user }, undefined, random.below(3)))
}

export function generateMultipartBody (random: Random): Buffer {
  const parts: MultipartPart[] = [...randomValues(random)].map(([name, data]) => ({ name: `user[${name}]`, data, ...(random.chance(0.2) && { type: 'text/plain; charset=utf-8' }) }))
  if (random.chance(0.5)) parts.splice(random.below(parts.length + 1), 0, { name: 'user[avatar]', filename: random.pick(['a.png', 'ü "x".png', 'C:\\a.png']).replaceAll('"', '%22'), type: 'image/png', data: image })
  return multipartBody(parts, 'b')
}

/** What JSON.parse reads. */
export function parseJsonFields (body: Buffer): ParsedFields {
  return Object.fromEntries(Object.entries(JSON.parse(body.toString()).user).map(([name, value]) => [name, JSON.stringify(value)]))
}

/** What busboy reads; a field that comes twice, or that is none of a user's, is kept under a name that nobody has. */
export function parseMultipartFields (body: Buffer, contentType: string): Promise<ParsedFields> {
  return new Promise((resolve, reject) => {
    const fields: ParsedFields = {}
    const setField = (name: string, value: string) => {
      const field = /^user\[(\w+)\]$/.exec(name)?.[1]
      fields[field === undefined || Object.hasOwn(fields, field) ? `! ${name}` : field] = value
    }
    const parser = busboy({ headers: { 'content-type': contentType }, defParamCharset: 'utf8', limits: { fieldSize: 1_000_000 } })
    parser.on('field', setField).on('error', reject).on('close', () => resolve(fields))
    parser.on('file', (name, stream, { filename }: { filename?: string }) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject).on('close', () => {
        const bytes = Buffer.concat(chunks)
        // A part of type application/octet-stream is a file to busboy, even without a name.
        if (filename === undefined) setField(name, bytes.toString())
        else if (filename !== '' || bytes.length > 0) setField(name, bytes.toString('hex'))
      })
    })
    parser.end(body)
  })
}

/** The same of what went upstream, as the emulator's own strict parser reads it. */
export function parseSentMultipartFields (body: Buffer, contentType: string): ParsedFields {
  return Object.fromEntries(parseMultipart(contentType, body).map(({ name, filename, data }) => [/^user\[(\w+)\]$/.exec(name)?.[1] ?? `! ${name}`, data.toString(filename === undefined ? 'utf8' : 'hex')]))
}

/** Evens out what may be written in more ways than one: digits with leading zeros, `1` for true, and an empty input of a field that is no text. */
export function normalize (fields: ParsedFields): ParsedFields {
  const normalized: ParsedFields = {}
  for (const [name, value] of Object.entries(fields)) {
    const isText = fieldTypes[name] === undefined && name !== 'country_code' && name !== 'state_code'
    if (value === '' && !isText) continue
    normalized[name] = fieldTypes[name] === 'integer' ? String(Number(value)) : fieldTypes[name] === 'boolean' ? String(value === 'true' || value === '1') : value
  }
  return normalized
}
