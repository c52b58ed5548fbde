// The multipart parser: the result does not depend on how the bytes are split, and ambiguous forms are rejected.
import t from 'tap'
import { MultipartParser, type MultipartLimits } from '../../src/proxy/multipart/parser.ts'
import { multipartBody } from '../helpers/requests.ts'

const limits: MultipartLimits = { partsMax: 5, partHeadersMaxBytes: 200, preambleMaxBytes: 50 }

interface ParsedPart {
  head: string
  data: string
}

function parse (boundary: string, chunks: Buffer[]): ParsedPart[] {
  const parts: Array<ParsedPart & { ended: boolean }> = []
  const parser = new MultipartParser(boundary, {
    partStart: head => { parts.push({ head: head.toString(), data: '', ended: false }) },
    partData: data => {
      const part = parts.at(-1)
      if (part === undefined || part.ended || data.length === 0) throw new Error('data outside of a part')
      part.data += data.toString('latin1')
    },
    partEnd: data => {
      const part = parts.at(-1)
      if (part === undefined || part.ended) throw new Error('an end without a part')
      part.data += data.toString('latin1')
      part.ended = true
    },
  }, limits)
  for (const chunk of chunks) parser.write(chunk)
  parser.end()
  if (!parts.every(({ ended }) => ended)) throw new Error('a part without an end')
  return parts.map(({ head, data }) => ({ head, data }))
}

/** Splits bytes into chunks of that size. */
function split (bytes: Buffer, chunkBytes: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, index) => {
    return bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes)
  })
}

/** Contents that look like delimiters until their last byte. */
const contents = [
  '', 'x', '\r', '\n', '\r\n', '\r\n\r\n', '--b', '--b--', '\r\n--', '\r\n-', 'a\r\n--a', '\r\r\n--\r\n\r', '-\r\n--',
  '\r\n--aab'.repeat(3), '\0\xff'.repeat(50),
]

t.test('a content that looks like a delimiter is parsed in chunks of any size', async t => {
  for (const content of contents) {
    await t.test(`the content ${JSON.stringify(content)} is parsed unchanged`, async t => {
      const form = multipartBody([
        { rawHeaders: 'A: 1', data: Buffer.from(content, 'latin1') },
        { rawHeaders: 'B: 2', data: 'second' },
      ], 'abc')
      const expected = [{ head: 'A: 1', data: content }, { head: 'B: 2', data: 'second' }]
      for (let chunkBytes = 1; chunkBytes <= form.length; chunkBytes++) {
        t.strictSame(parse('abc', split(form, chunkBytes)), expected, `in chunks of ${chunkBytes} bytes`)
      }
    })
  }
})

t.test('a preamble and an epilogue are skipped, and a form may have no parts', async t => {
  const rows: Array<{ name: string, form: string, parts: ParsedPart[] }> = [
    {
      name: 'a form with a preamble and an epilogue',
      form: 'intro\r\n--\r\n--b\r\nA: 1\r\n\r\nx\r\n--b--\r\nthe end --b\r\n',
      parts: [{ head: 'A: 1', data: 'x' }],
    },
    { name: 'a form of the last delimiter only', form: '--b--', parts: [] },
    { name: 'a last delimiter after an empty line', form: '\r\n--b--\r\n', parts: [] },
  ]
  for (const { name, form, parts } of rows) {
    await t.test(`${name} has ${parts.length} parts`, async t => {
      for (let chunkBytes = 1; chunkBytes < 40; chunkBytes++) {
        t.strictSame(parse('b', split(Buffer.from(form), chunkBytes)), parts, `in chunks of ${chunkBytes} bytes`)
      }
    })
  }
})

t.test('a malformed form is rejected', async t => {
  const rows = [
    { name: 'an empty body', form: '' },
    { name: 'a body without a delimiter', form: 'hello' },
    { name: 'a form without its last delimiter', form: '--b\r\nA: 1\r\n\r\nx\r\n' },
    { name: 'a form truncated in its last delimiter', form: '--b\r\nA: 1\r\n\r\nx\r\n--b-' },
    { name: 'a form truncated in a header block', form: '--b\r\nA: 1\r\n' },
    { name: 'a form with bare LFs', form: '--b\nA: 1\n\nx\n--b--\n' },
    { name: 'a delimiter that ends in LF', form: '--b\nA: 1\r\n\r\nx\r\n--b--' },
    { name: 'a delimiter followed by text', form: '--bx\r\nA: 1\r\n\r\nx\r\n--b--' },
    { name: 'a longer boundary inside', form: '--b\r\nA: 1\r\n\r\nx\r\n--bb\r\n\r\n--b--' },
    { name: 'a last delimiter with one hyphen', form: '--b\r\nA: 1\r\n\r\nx\r\n--b-\r\n' },
    { name: 'a delimiter that follows the headers directly', form: '--b\r\nA: 1\r\n\r\n--b--\r\n' },
    { name: 'a form with a sixth part', form: '--b\r\nA: 1\r\n\r\nx\r\n'.repeat(6) + '--b--' },
    { name: 'a header block over its limit', form: `--b\r\nA: ${'x'.repeat(200)}\r\n\r\nx\r\n--b--` },
    { name: 'a preamble over its limit', form: `${'x'.repeat(60)}\r\n--b--` },
    { name: 'an epilogue over its limit', form: `--b--\r\n${'x'.repeat(60)}` },
  ]
  for (const { name, form } of rows) {
    await t.test(`${name} is rejected`, async t => {
      for (const chunkBytes of [1, 2, 3, 7, 1000]) {
        const chunks = split(Buffer.from(form), chunkBytes)
        t.throws(() => parse('b', chunks), { code: 'malformed_form' }, `in chunks of ${chunkBytes} bytes`)
      }
    })
  }
})

t.test('a form that other parsers may read differently is rejected', async t => {
  const part = '--b\r\nA: 1\r\n\r\nx\r\n'
  const rows = [
    { name: 'a part after the last delimiter', form: `${part}--b--\r\n${part}--b--\r\n` },
    { name: 'text on the line of the last delimiter', form: `${part}--b--x\r\n` },
    { name: 'a bare LF after the last delimiter', form: `${part}--b--\nx` },
    { name: 'a delimiter as the first header', form: '--b\r\n--b--A: 1\r\n\r\nx\r\n--b--\r\n' },
    { name: 'a delimiter among the headers', form: '--b\r\nA: 1\r\n--b--B: 2\r\n\r\nx\r\n--b--\r\n' },
  ]
  for (const { name, form } of rows) {
    await t.test(`${name} is rejected`, async t => {
      for (const chunkBytes of [1, 5, form.length]) {
        const chunks = split(Buffer.from(form), chunkBytes)
        t.throws(() => parse('b', chunks), { code: 'malformed_form' }, `in chunks of ${chunkBytes} bytes`)
      }
    })
  }
  for (const end of ['', '\r\n', '  \t\r\nepilogue', ' ']) {
    await t.test(`a last delimiter followed by ${JSON.stringify(end)} is accepted`, async t => {
      t.equal(parse('b', [Buffer.from(`${part}--b--${end}`)]).length, 1)
    })
  }
})
