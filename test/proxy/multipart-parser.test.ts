// The parser itself: the same parts come out however the bytes are cut, and nothing doubtful comes through.
import t from 'tap'
import { MultipartParser, type MultipartLimits } from '../../src/proxy/multipart/parser.ts'
import { multipartBody } from '../helpers/requests.ts'

const limits: MultipartLimits = { partsMax: 5, partHeadersMaxBytes: 200, preambleMaxBytes: 50 }

function parse (boundary: string, chunks: Buffer[]): Array<{ head: string, data: string }> {
  const parts: Array<{ head: string, data: string, ended: boolean }> = []
  const parser = new MultipartParser(boundary, {
    partStart: head => { parts.push({ head: head.toString(), data: '', ended: false }) },
    partData: data => {
      const part = parts.at(-1)
      if (part === undefined || part.ended || data.length === 0) throw new Error('data outside of a part')
      part.data += data.toString('latin1')
    },
    partEnd: () => {
      const part = parts.at(-1)
      if (part === undefined || part.ended) throw new Error('an end without a part')
      part.ended = true
    },
  }, limits)
  for (const chunk of chunks) parser.write(chunk)
  parser.end()
  t.ok(parts.every(part => part.ended))
  return parts.map(({ head, data }) => ({ head, data }))
}

const cut = (bytes: Buffer, size: number) => Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))

/** Contents that look like delimiters until their last byte. */
const contents = ['', 'x', '\r', '\n', '\r\n', '\r\n\r\n', '--b', '--b--', '\r\n--', '\r\n-', 'a\r\n--a', '\r\r\n--\r\n\r', '-\r\n--', '\r\n--aab'.repeat(3), '\0\xff'.repeat(50)]

t.test('every content, cut at every place', async t => {
  for (const content of contents) {
    const bytes = multipartBody([{ rawHeaders: 'A: 1', data: Buffer.from(content, 'latin1') }, { rawHeaders: 'B: 2', data: 'second' }], 'abc')
    for (let size = 1; size <= bytes.length; size++) {
      t.strictSame(parse('abc', cut(bytes, size)), [{ head: 'A: 1', data: content }, { head: 'B: 2', data: 'second' }], `${JSON.stringify(content)} in pieces of ${size}`)
    }
  }
})

t.test('preamble, epilogue and no parts at all', async t => {
  for (let size = 1; size < 40; size++) {
    t.strictSame(parse('b', cut(Buffer.from('intro\r\n--\r\n--b\r\nA: 1\r\n\r\nx\r\n--b--\r\nthe end --b\r\n'), size)), [{ head: 'A: 1', data: 'x' }])
    t.strictSame(parse('b', cut(Buffer.from('--b--'), size)), [])
    t.strictSame(parse('b', cut(Buffer.from('\r\n--b--\r\n'), size)), [])
  }
})

t.test('malformed', async t => {
  const bad = {
    empty: '',
    'no delimiter': 'hello',
    'no last delimiter': '--b\r\nA: 1\r\n\r\nx\r\n',
    'cut in the last delimiter': '--b\r\nA: 1\r\n\r\nx\r\n--b-',
    'cut in a head': '--b\r\nA: 1\r\n',
    'bare LF': '--b\nA: 1\n\nx\n--b--\n',
    'LF after a delimiter': '--b\nA: 1\r\n\r\nx\r\n--b--',
    'text after a delimiter': '--bx\r\nA: 1\r\n\r\nx\r\n--b--',
    'a longer boundary inside': '--b\r\nA: 1\r\n\r\nx\r\n--bb\r\n\r\n--b--',
    'one hyphen': '--b\r\nA: 1\r\n\r\nx\r\n--b-\r\n',
    'no line break before the next delimiter': '--b\r\nA: 1\r\n\r\n--b--\r\n',
    'six parts': '--b\r\nA: 1\r\n\r\nx\r\n'.repeat(6) + '--b--',
    'a head over the limit': `--b\r\nA: ${'x'.repeat(200)}\r\n\r\nx\r\n--b--`,
    'a preamble over the limit': `${'x'.repeat(60)}\r\n--b--`,
    'an epilogue over the limit': `--b--\r\n${'x'.repeat(60)}`,
  }
  for (const [name, text] of Object.entries(bad)) {
    for (const size of [1, 2, 3, 7, 1000]) t.throws(() => parse('b', cut(Buffer.from(text), size)), { code: 'malformed_form' }, `${name} in pieces of ${size}`)
  }
})

t.test('what other parsers would read on, stop at or lose is refused', async t => {
  const part = '--b\r\nA: 1\r\n\r\nx\r\n'
  const refused: Record<string, string> = {
    'a part after the last delimiter': `${part}--b--\r\n${part}--b--\r\n`,
    'text on the line of the last delimiter': `${part}--b--x\r\n`,
    'a bare LF after the last delimiter': `${part}--b--\nx`,
    'a delimiter as the first header': '--b\r\n--b--A: 1\r\n\r\nx\r\n--b--\r\n',
    'a delimiter among the headers': '--b\r\nA: 1\r\n--b--B: 2\r\n\r\nx\r\n--b--\r\n',
  }
  for (const [name, bytes] of Object.entries(refused)) {
    for (const size of [1, 5, bytes.length]) t.throws(() => parse('b', cut(Buffer.from(bytes), size)), { code: 'malformed_form' }, name)
  }
  for (const end of ['', '\r\n', '  \t\r\nepilogue', ' ']) t.equal(parse('b', [Buffer.from(`${part}--b--${end}`)]).length, 1, JSON.stringify(end))
})
