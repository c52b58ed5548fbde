// The rows of an NDJSON file: typed as in a JSON body, and a line that cannot be used is an invalid row.
import t from 'tap'
import { describeRow, readFile, rowOptions } from '../../helpers/import-rows.ts'

const jane = { last_name: 'Doe', email_address: 'jane.doe@example.com' }
const janeLine = JSON.stringify(jane)
const withMembers = (json: string) => `{"last_name":"A","email_address":"a@example.com",${json}}`

t.test('each line of a file is a row, in whichever chunks it comes', async t => {
  const cases = [
    { name: 'that end in LF', file: `${janeLine}\n` },
    { name: 'that end in CR LF', file: `${janeLine}\r\n` },
    { name: 'of which the last has no end', file: janeLine },
    { name: 'that are blank beside it', file: `\n \r\n${janeLine}\n\n\n` },
    { name: 'after a byte order mark', file: `\ufeff${janeLine}\n` },
    {
      name: 'with a member that is null',
      file: '{"last_name":"Doe","email_address":"jane.doe@example.com","notes":null}',
    },
    {
      name: 'with a repeated member',
      file: '{"last_name":"A","last_name":"Doe","email_address":"jane.doe@example.com"}',
    },
  ]
  for (const { name, file } of cases) {
    await t.test(`a file with lines ${name} is read`, async t => {
      for (const size of [1, 4, 10_000]) {
        const { rows, problem } = await readFile(file, 'ndjson', rowOptions(), size)
        t.strictSame(rows.map(describeRow), [jane], `chunks of ${size} bytes`)
        t.equal(problem, undefined)
      }
    })
  }
})

t.test('a line with an error is an invalid row, and the rows after it are read', async t => {
  const cases = [
    { name: 'is not JSON', line: '{"last_name":', errors: [' type'] },
    { name: 'is not an object', line: '["Doe"]', errors: [' type'] },
    { name: 'is null', line: 'null', errors: [' type'] },
    { name: 'has two objects', line: `${janeLine} ${janeLine}`, errors: [' type'] },
    {
      name: 'is nested too deeply',
      line: `{"a":${'['.repeat(4000)}1${']'.repeat(4000)}}`,
      errors: ['last_name required', 'email_address required', 'a unknown'],
    },
    { name: 'has a byte order mark, and is not the first', line: `\n\ufeff${janeLine}`, errors: [' type'] },
    { name: 'is not UTF-8', line: Buffer.from(withMembers('"notes":"ö"'), 'latin1'), errors: [' format'] },
    { name: 'is too long', line: withMembers(`"notes":"${'x'.repeat(10_000)}"`), errors: [' size'] },
    { name: 'has a text for a number', line: withMembers('"vendor_id":"1"'), errors: ['vendor_id type'] },
    { name: 'has a text for a boolean', line: withMembers('"is_active":"true"'), errors: ['is_active type'] },
    {
      name: 'has a number that is rounded',
      line: withMembers('"vendor_id":2.9999999999999999'),
      errors: ['vendor_id type'],
    },
    { name: 'has an unknown member', line: withMembers('"lastName":"A"'), errors: ['lastName unknown'] },
    { name: 'has the member __proto__', line: withMembers('"__proto__":{}'), errors: ['__proto__ unknown'] },
    { name: 'names a user', line: withMembers('"id":381006'), errors: ['id unknown'] },
    { name: 'has no required member', line: '{}', errors: ['last_name required', 'email_address required'] },
    { name: 'has a NUL character', line: withMembers('"notes":"\\u0000"'), errors: ['notes format'] },
  ]
  for (const { name, line, errors } of cases) {
    await t.test(`a line that ${name} is an invalid row`, async t => {
      const file = Buffer.concat([Buffer.from(line), Buffer.from(`\n${janeLine}\n`)])
      for (const size of [1, 100, 100_000]) {
        const { rows, problem } = await readFile(file, 'ndjson', rowOptions(), size)
        t.equal(problem, undefined)
        t.strictSame(rows.map(describeRow), [errors, jane], `chunks of ${size} bytes`)
        t.strictSame(rows.map(({ number }) => number), [1, 2])
      }
    })
  }

  await t.test('the id of a user says that it needs mode=upsert', async t => {
    const { rows } = await readFile('{"id":1}', 'ndjson')
    t.match(rows, [{ errors: [{ pointer: '/id', field: 'id', message: /mode=upsert/ }, {}, {}] }])
  })
})

t.test('with mode=upsert, a line may name a user and clear fields', async t => {
  const options = rowOptions({ mode: 'upsert' })
  const { rows } = await readFile('{"id":1,"notes":null}\n{"id":1}\n{"id":null}', 'ndjson', options)
  t.strictSame(rows.map(describeRow), [{ id: 1, notes: null }, ['id duplicate'], ['id required']])
})

t.test('a line that repeats the address of an earlier row is invalid', async t => {
  const other = '{"last_name":"Roe","email_address":"JANE.DOE@example.com"}'
  const { rows } = await readFile(`${janeLine}\n${other}`, 'ndjson')
  const error = { pointer: '/email_address', rule: 'duplicate', message: /row 1/ }
  t.match(rows, [{ kind: 'valid' }, { kind: 'invalid', errors: [error] }])
})

t.test('more rows than allowed end the file after the rows before them', async t => {
  const { rows, problem } = await readFile(`${janeLine}\n[]\n[]\n`, 'ndjson', rowOptions({ rowsMax: 2 }))
  t.equal(rows.length, 2)
  t.match(problem, { code: 'body_too_large', status: 413 })
})
