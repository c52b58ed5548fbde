// The files that spreadsheets write of the same sheet, byte for byte.
import t from 'tap'
import { describeRow, readFile } from '../../helpers/import-rows.ts'

const notes = {
  quoted: 'says "hello", twice; or\nthrice',
  formula: '=cmd()',
  umlauts: 'Größe: 1,80 m',
}
const people = [
  { last_name: 'Müller', email_address: 'user-0001@example.com', is_active: true, zip: '01234', notes: notes.quoted },
  { last_name: 'O\'Neil', email_address: 'user-0002@example.com', is_active: false, notes: notes.formula },
  { last_name: 'Doe', email_address: 'user-0003@example.com', notes: notes.umlauts },
]

const quotedNotes = '"says ""hello"", twice; or\nthrice"'
const quotedUmlauts = '"Größe: 1,80 m"'
const comma = [
  'last_name,email_address,is_active,zip,notes',
  `Müller,user-0001@example.com,TRUE,01234,${quotedNotes}`,
  'O\'Neil,user-0002@example.com,FALSE,,=cmd()',
  `Doe,user-0003@example.com,,,${quotedUmlauts}`,
]
const semicolon = [
  'last_name;email_address;is_active;zip;notes',
  `Müller;user-0001@example.com;WAHR;01234;${quotedNotes}`,
  'O\'Neil;user-0002@example.com;FALSCH;;=cmd()',
  'Doe;user-0003@example.com;;;Größe: 1,80 m',
]
const tab = semicolon.map(line => line.replaceAll(/;(?! or)/g, '\t'))
const formatted = [...semicolon, ';;;;', ';;;;'].map(line => `${line};;`)
const quotedCells = [
  '"last_name","email_address","is_active","zip","notes"',
  `"Müller","user-0001@example.com",TRUE,"01234",${quotedNotes}`,
  '"O\'Neil","user-0002@example.com",FALSE,,"=cmd()"',
  `"Doe","user-0003@example.com",,,${quotedUmlauts}`,
]
const join = (lines: readonly string[], lineEnd: string) => lines.map(line => line + lineEnd).join('')

const files = [
  { name: 'Excel (US) as CSV UTF-8', content: `\ufeff${join(comma, '\r\n')}` },
  { name: 'Excel (German) as CSV UTF-8', content: `\ufeff${join(semicolon, '\r\n')}` },
  { name: 'Excel with the separator declared', content: `\ufeffsep=;\r\n${join(semicolon, '\r\n')}` },
  { name: 'Excel with formatted cells beside and below the data', content: join(formatted, '\r\n') },
  { name: 'Excel for Mac with CR', content: `\ufeff${join(comma, '\r')}` },
  { name: 'LibreOffice', content: join(comma, '\n') },
  { name: 'LibreOffice (German)', content: join(semicolon, '\n') },
  { name: 'LibreOffice with all text cells quoted', content: join(quotedCells, '\n') },
  { name: 'Google Sheets', content: comma.join('\r\n') },
  { name: 'Excel as Unicode Text, saved again as UTF-8', content: join(tab, '\r\n') },
  { name: 'Numbers', content: join(comma, '\n').trimEnd() },
  { name: 'Numbers (German)', content: join(semicolon, '\n').trimEnd() },
]

for (const { name, content } of files) {
  t.test(`a file of ${name} has the people of the sheet`, async t => {
    for (const size of [1, 1000]) {
      const { rows, problem } = await readFile(content, 'csv', undefined, size)
      t.equal(problem, undefined)
      t.strictSame(rows.map(describeRow), people, `chunks of ${size} bytes`)
    }
  })
}

const refused = [
  {
    name: 'Excel (German) as CSV (separator delimited)',
    content: Buffer.from(join(semicolon, '\r\n'), 'latin1'),
    detail: /probably Windows-1252\. Save it as "CSV UTF-8"/,
  },
  {
    name: 'Excel as Unicode Text',
    content: Buffer.from(`\ufeff${join(tab, '\r\n')}`, 'utf16le'),
    detail: /UTF-16, which Excel calls Unicode Text\. Save it as "CSV UTF-8"/,
  },
]

for (const { name, content, detail } of refused) {
  t.test(`a file of ${name} is refused, and the problem says how to save it`, async t => {
    const { rows, problem } = await readFile(content, 'csv')
    t.strictSame(rows, [])
    t.match(problem, { code: 'malformed_csv', message: detail })
  })
}
