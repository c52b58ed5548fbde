/** Bodies that are valid before they are damaged, and what an independent parser reads from their bytes afterwards. */
import busboy from 'busboy'
import { parseForm } from '../../tools/emulator/multipart.ts'
import type { Random } from '../helpers/random.ts'
import { png } from '../helpers/images.ts'
import { form, type FormPart } from '../helpers/requests.ts'

/** What a body says, by field; the avatar as its bytes in hexadecimal. */
export type Meaning = Record<string, string>

const image = png(200)
const kinds: Record<string, 'integer' | 'boolean' | 'text'> = { vendor_id: 'integer', work_classification_id: 'integer', business_phone_extension: 'integer', is_active: 'boolean', is_employee: 'boolean', bid_contact: 'boolean' }
const texts: readonly [string, ...string[]] = ['Doe', 'Zoë "Q" \\ Ünal', 'a;b=c', ' ', '--b', '1\r\n2', '']
const optional = ['first_name', 'city', 'notes', 'zip', 'is_active', 'vendor_id', 'business_phone_extension', 'country_code'] as const

function values (random: Random): Map<string, string> {
  const chosen = new Map([['last_name', 'Doe'], ['email_address', 'jane@example.com']])
  for (const name of optional) {
    if (random.chance(0.6)) continue
    chosen.set(name, name === 'country_code' ? 'US' : kinds[name] === 'integer' ? '17' : kinds[name] === 'boolean' ? random.pick(['true', '0']) : random.pick(texts))
  }
  return chosen
}

export function jsonBody (random: Random): Buffer {
  const user = Object.fromEntries([...values(random)].map(([name, value]) => [name, kinds[name] === 'integer' ? Number(value) : kinds[name] === 'boolean' ? value === 'true' : value]))
  return Buffer.from(JSON.stringify({ user }, undefined, random.below(3)))
}

export function formBody (random: Random): Buffer {
  const parts: FormPart[] = [...values(random)].map(([name, data]) => ({ name: `user[${name}]`, data, ...(random.chance(0.2) && { type: 'text/plain; charset=utf-8' }) }))
  if (random.chance(0.5)) parts.splice(random.below(parts.length + 1), 0, { name: 'user[avatar]', filename: random.pick(['a.png', 'ü "x".png', 'C:\\a.png']).replaceAll('"', '%22'), type: 'image/png', data: image })
  return form(parts, 'b')
}

/** What JSON.parse reads. */
export function readJson (body: Buffer): Meaning {
  return Object.fromEntries(Object.entries(JSON.parse(body.toString()).user).map(([name, value]) => [name, JSON.stringify(value)]))
}

/** What busboy reads; a field that comes twice, or that is none of a user's, is kept under a name that nobody has. */
export function readForm (body: Buffer, contentType: string): Promise<Meaning> {
  return new Promise((resolve, reject) => {
    const meaning: Meaning = {}
    const put = (name: string, value: string) => {
      const field = /^user\[(\w+)\]$/.exec(name)?.[1]
      meaning[field === undefined || Object.hasOwn(meaning, field) ? `! ${name}` : field] = value
    }
    const parser = busboy({ headers: { 'content-type': contentType }, defParamCharset: 'utf8', limits: { fieldSize: 1_000_000 } })
    parser.on('field', put).on('error', reject).on('close', () => resolve(meaning))
    parser.on('file', (name, stream, { filename }: { filename?: string }) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject).on('close', () => {
        const bytes = Buffer.concat(chunks)
        // A part of type application/octet-stream is a file to busboy, even without a name.
        if (filename === undefined) put(name, bytes.toString())
        else if (filename !== '' || bytes.length > 0) put(name, bytes.toString('hex'))
      })
    })
    parser.end(body)
  })
}

/** The same of what went upstream, as the emulator's own strict parser reads it. */
export function readSentForm (body: Buffer, contentType: string): Meaning {
  return Object.fromEntries(parseForm(contentType, body).map(({ name, filename, data }) => [/^user\[(\w+)\]$/.exec(name)?.[1] ?? `! ${name}`, data.toString(filename === undefined ? 'utf8' : 'hex')]))
}

/** Evens out what may be written in more ways than one: digits with leading zeros, `1` for true, and an empty input of a field that is no text. */
export function even (meaning: Meaning): Meaning {
  const evened: Meaning = {}
  for (const [name, value] of Object.entries(meaning)) {
    const isText = kinds[name] === undefined && name !== 'country_code' && name !== 'state_code'
    if (value === '' && !isText) continue
    evened[name] = kinds[name] === 'integer' ? String(Number(value)) : kinds[name] === 'boolean' ? String(value === 'true' || value === '1') : value
  }
  return evened
}
