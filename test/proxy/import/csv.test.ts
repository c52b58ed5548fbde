// The rows of a CSV file: read as spreadsheets write them, and refused where another reader could read them otherwise.
import t from 'tap'
import { describeRow, readFile, readValues, rowOptions } from '../../helpers/import-rows.ts'

const header = 'last_name,email_address,notes'
const jane = { last_name: 'Doe', email_address: 'jane.doe@example.com' }
const janeRow = 'Doe,jane.doe@example.com,'

t.test('a CSV file is read as RFC 4180 and spreadsheets define it', async t => {
  const notes = (text: string) => ({ ...jane, notes: text })
  const cases = [
    { name: 'lines that end in LF', file: `${header}\n${janeRow}\n`, rows: [jane] },
    { name: 'lines that end in CR LF', file: `${header}\r\n${janeRow}\r\n`, rows: [jane] },
    { name: 'lines that end in CR', file: `${header}\r${janeRow}\r`, rows: [jane] },
    { name: 'a last line without an end', file: `${header}\n${janeRow}`, rows: [jane] },
    { name: 'a byte order mark', file: `\ufeff${header}\n${janeRow}\n`, rows: [jane] },
    {
      name: 'a byte order mark before a quoted header',
      file: '\ufeff"last_name","email_address"\nDoe,jane.doe@example.com',
      rows: [jane],
    },
    { name: 'semicolons', file: 'last_name;email_address\nDoe;jane.doe@example.com', rows: [jane] },
    { name: 'tabs', file: 'last_name\temail_address\nDoe\tjane.doe@example.com', rows: [jane] },
    {
      name: 'a separator that Excel declares',
      file: 'sep=;\r\nlast_name;email_address\r\nDoe;jane.doe@example.com',
      rows: [jane],
    },
    {
      name: 'commas in a cell of a file with semicolons',
      file: 'last_name;email_address;notes\nDoe;jane.doe@example.com;a,b',
      rows: [notes('a,b')],
    },
    { name: 'a comma in quotes', file: `${header}\nDoe,jane.doe@example.com,"a,b"`, rows: [notes('a,b')] },
    { name: 'doubled quotes', file: `${header}\nDoe,jane.doe@example.com,"a ""b"""`, rows: [notes('a "b"')] },
    {
      name: 'line breaks in quotes',
      file: `${header}\r\nDoe,jane.doe@example.com,"a\r\nb\nc"\r\n`,
      rows: [notes('a\r\nb\nc')],
    },
    { name: 'an empty cell in quotes', file: `${header}\nDoe,jane.doe@example.com,""`, rows: [jane] },
    { name: 'spaces in a cell', file: `${header}\nDoe,jane.doe@example.com, a `, rows: [notes(' a ')] },
    { name: 'umlauts', file: `${header}\nDoe,jane.doe@example.com,Größe`, rows: [notes('Größe')] },
    { name: 'fewer cells than columns', file: `${header}\nDoe,jane.doe@example.com`, rows: [jane] },
    {
      name: 'separators at the end of each line',
      file: 'last_name,email_address,,\nDoe,jane.doe@example.com,,\n',
      rows: [jane],
    },
    {
      name: 'more separators in the rows than in the header',
      file: 'last_name,email_address\nDoe,jane.doe@example.com,,,,\n',
      rows: [jane],
    },
    {
      name: 'more separators than columns are allowed',
      file: `last_name,email_address\nDoe,jane.doe@example.com${','.repeat(400)}`,
      rows: [jane],
    },
    { name: 'blank lines', file: `\n\r\n${header}\n\n${janeRow}\n\n\n`, rows: [jane] },
    { name: 'rows that have separators only', file: `,,\n${header}\n,,\n${janeRow}\n,,\n , ,\n`, rows: [jane] },
    { name: 'a header as people write it', file: 'Last Name, EMAIL-ADDRESS \nDoe,jane.doe@example.com', rows: [jane] },
    { name: 'a line break in the header', file: '"Last\nName",email_address\nDoe,jane.doe@example.com', rows: [jane] },
    { name: 'no rows', file: `${header}\n`, rows: [] },
    { name: 'a header without a line break', file: header, rows: [] },
    { name: 'a formula', file: `${header}\nDoe,jane.doe@example.com,=cmd()`, rows: [notes('=cmd()')] },
    {
      name: 'a value that is the name of an inherited property',
      file: `${header}\n__proto__,jane.doe@example.com,constructor`,
      rows: [{ ...notes('constructor'), last_name: '__proto__' }],
    },
  ]
  for (const { name, file, rows } of cases) {
    await t.test(`a file with ${name} has the expected rows, in whichever chunks it comes`, async t => {
      t.strictSame(await readValues(file), rows)
      for (const size of [1, 2, 3, 7]) {
        const read = await readFile(file, 'csv', rowOptions(), size)
        t.strictSame(read.rows.map(describeRow), rows, `chunks of ${size} bytes`)
      }
    })
  }
})

t.test('the text of a cell is converted to the type of its field', async t => {
  const cases = [
    { column: 'is_active', cell: 'true', value: true },
    { column: 'is_active', cell: '0', value: false },
    { column: 'is_active', cell: 'TRUE', value: true },
    { column: 'is_active', cell: 'False', value: false },
    { column: 'is_active', cell: 'WAHR', value: true },
    { column: 'is_active', cell: 'FALSCH', value: false },
    { column: 'vendor_id', cell: '161072', value: 161072 },
    { column: 'business_phone_extension', cell: '0', value: 0 },
    { column: 'zip', cell: '01234', value: '01234' },
    { column: 'initials', cell: 'TRUE', value: 'TRUE' },
  ]
  for (const { column, cell, value } of cases) {
    await t.test(`${cell} in ${column} is ${typeof value} ${String(value)}`, async t => {
      const file = `last_name,email_address,${column}\nDoe,jane.doe@example.com,${cell}`
      t.strictSame(await readValues(file), [{ ...jane, [column]: value }])
    })
  }
})

t.test('a row with an error is invalid, and the rows after it are read', async t => {
  const columns = 'last_name,email_address,is_active,vendor_id,bid_contact,country_code,state_code'
  const cases = [
    { name: 'without a required value', row: ',a@example.com', errors: ['last_name required'] },
    { name: 'with a blank required value', row: ' ,a@example.com', errors: ['last_name required'] },
    { name: 'with an invalid address', row: 'A,a', errors: ['email_address format'] },
    { name: 'with a word for a boolean', row: 'A,a@example.com,yes', errors: ['is_active type'] },
    { name: 'with a rounded number', row: 'A,a@example.com,,1.61E+05', errors: ['vendor_id type'] },
    { name: 'that breaks a rule between fields', row: 'A,a@example.com,,,TRUE', errors: ['vendor_id dependency'] },
    { name: 'with a state of another country', row: 'A,a@example.com,,,,CA,TX', errors: ['state_code dependency'] },
    { name: 'with a value beyond the header', row: 'A,a@example.com,,,,,,x', errors: [' unknown'] },
    {
      name: 'with values beyond the number of columns',
      row: `A,a@example.com${',x'.repeat(1000)}`,
      errors: [
        'is_active type', 'vendor_id type', 'bid_contact type',
        'country_code format', 'state_code format', ' unknown',
      ],
    },
    { name: 'with a quote in a cell', row: '5" x 6",a@example.com', errors: [' format'] },
    { name: 'with several errors', row: ',a', errors: ['last_name required', 'email_address format'] },
  ]
  for (const { name, row, errors } of cases) {
    await t.test(`a row ${name} is invalid`, async t => {
      for (const size of [1, 5, 10_000]) {
        const { rows, problem } = await readFile(`${columns}\n${row}\n${janeRow}\n`, 'csv', rowOptions(), size)
        t.equal(problem, undefined)
        const [invalid, valid] = rows.map(describeRow)
        t.strictSame(Array.isArray(invalid) ? invalid.toSorted() : invalid, errors.toSorted())
        t.strictSame(valid, jane)
        t.strictSame(rows.map(({ number }) => number), [1, 2])
      }
    })
  }
})

t.test('the errors of a row point to its fields', async t => {
  const { rows: [row] } = await readFile('last_name,email_address\nDoe,jane\n', 'csv')
  const location = { in: 'body', pointer: '/email_address', field: 'email_address' }
  t.match(row, { kind: 'invalid', errors: [{ ...location, rule: 'format' }] })
})

t.test('two rows in a row that have quotes in cells are two invalid rows', async t => {
  const cases = [
    { name: 'in the same column', file: 'Doe,a"b,\nRoe,c"d,\n' },
    { name: 'in an earlier column of the second row', file: 'Doe,a"b,\nR"oe,c,\n' },
  ]
  for (const { name, file } of cases) {
    await t.test(`${name}, each is counted`, async t => {
      const { rows } = await readFile(`${header}\n${file}${janeRow}`, 'csv')
      t.strictSame(rows.map(describeRow), [[' format'], [' format'], jane])
    })
  }
})

t.test('a fault after which the next row is uncertain ends the file after the rows before it', async t => {
  const cases = [
    {
      name: 'text after a closing quote',
      rest: '"a"b,c,d\n"x","y","z"\n',
      detail: /text after its closing quote.* row 2, near line 3/,
    },
    { name: 'a quote that is not closed', rest: '"a,b,c\nd,e,f\n', detail: /not closed.* row 2/ },
    { name: 'a row that is too long', rest: `"${'a'.repeat(20_000)}",b,c\n`, detail: /more than 10000 bytes.* row 2/ },
    {
      name: 'a long row of many short cells',
      rest: `${'a,'.repeat(10_000)}\n`,
      detail: /more than 10000 bytes.* row 2/,
    },
    { name: 'quotes in cells that may be of one row or of two', rest: 'a"b,c,d\ne,f"g,h\n', detail: /row 3/, count: 2 },
    {
      name: 'Windows-1252',
      rest: Buffer.from('Größe,a@example.com,\n', 'latin1'),
      detail: /not UTF-8, but probably Windows-1252\. Save it as "CSV UTF-8".* row 2/,
    },
    { name: 'half of a character at the end', rest: Buffer.from([0x61, 0xc3]), detail: /not UTF-8.* row 2/ },
    { name: 'a NUL character', rest: 'a\0b,c,d\n', detail: /NUL.* row 2/ },
    { name: 'a NUL character after a closing quote', rest: '"a"\0b,c,d\n', detail: /NUL.* row 2/ },
    { name: 'more rows than allowed', rest: 'A,a@example.com,\n'.repeat(2), detail: /at most 2 rows/, count: 2, code: 'body_too_large' },
  ]
  for (const { name, rest, detail, count = 1, code = 'malformed_csv' } of cases) {
    await t.test(`a file with ${name} ends with a problem, whichever chunks it comes in`, async t => {
      const file = Buffer.concat([Buffer.from(`${header}\n${janeRow}\n`), Buffer.from(rest)])
      for (const size of [1, 3, 64, 100_000]) {
        const { rows, problem } = await readFile(file, 'csv', rowOptions({ rowsMax: 2 }), size)
        t.equal(rows.length, count, `chunks of ${size} bytes`)
        t.strictSame(rows.slice(0, 1).map(describeRow), [jane])
        t.match(problem, { code, message: detail })
      }
    })
  }
})

t.test('a file whose start is not CSV is refused before any row', async t => {
  const cases = [
    {
      name: 'UTF-16 with a byte order mark',
      file: Buffer.from(`\ufeff${header}\n${janeRow}`, 'utf16le'),
      detail: /UTF-16.*CSV UTF-8/,
    },
    { name: 'UTF-16 without one', file: Buffer.from(`${header}\n${janeRow}`, 'utf16le'), detail: /UTF-16/ },
    {
      name: 'big-endian UTF-16',
      file: Buffer.from(`\ufeff${header}\n${janeRow}`, 'utf16le').swap16(),
      detail: /UTF-16/,
    },
    { name: 'a workbook', file: Buffer.from('PK\x03\x04\x14\0\x06\0', 'latin1'), detail: /NUL.*header/ },
    {
      name: 'an umlaut of Windows-1252 in the header',
      file: Buffer.from('größe,last_name\n', 'latin1'),
      detail: /Windows-1252.*header/,
    },
    { name: 'nothing', file: Buffer.alloc(0), detail: /empty/ },
    { name: 'blank lines only', file: Buffer.from('\n\n;;\n'), detail: /empty/ },
    {
      name: 'a header with a quote that is not closed',
      file: Buffer.from('"last_name,email_address\nDoe,a@example.com'),
      detail: /quote/,
    },
    { name: 'a header that is too long', file: Buffer.alloc(70_000, 'a'), detail: /more than 65536 bytes/ },
    {
      name: 'too many columns',
      file: Buffer.from(`last_name,email_address${','.repeat(600)}\n`),
      detail: /more than 512 columns/,
    },
  ]
  for (const { name, file, detail } of cases) {
    await t.test(`a file with ${name} is refused`, async t => {
      for (const size of [1, 100_000]) {
        const { rows, problem } = await readFile(file, 'csv', rowOptions(), size)
        t.strictSame(rows, [])
        t.match(problem, { code: 'malformed_csv', status: 400, message: detail })
      }
    })
  }
})

t.test('each column of a header that cannot be used is reported before any row', async t => {
  const cases = [
    {
      name: 'a misspelt name',
      columns: 'last_nam,email_address',
      errors: [
        ['/columns/0', 'last_nam', 'unknown', /did you mean last_name/],
        ['/columns', 'last_name', 'required'],
      ],
    },
    {
      name: 'a short name',
      columns: 'last_name,email',
      errors: [
        ['/columns/1', 'email', 'unknown', /did you mean email_address/],
        ['/columns', 'email_address', 'required'],
      ],
    },
    {
      name: 'a hyphenated name',
      columns: 'last_name,E-mail Address',
      errors: [
        ['/columns/1', 'e_mail_address', 'unknown', /did you mean email_address/],
        ['/columns', 'email_address', 'required'],
      ],
    },
    {
      name: 'a name without a similar field',
      columns: 'last_name,email_address,Körpergröße',
      errors: [
        ['/columns/2', 'körpergröße', 'unknown', /^is not a known field$/],
      ],
    },
    {
      name: 'a name given twice',
      columns: 'last_name,email_address,Last Name',
      errors: [
        ['/columns/2', 'last_name', 'duplicate', /in column 1 already/],
      ],
    },
    {
      name: 'no required names',
      columns: 'notes',
      errors: [
        ['/columns', 'last_name', 'required'],
        ['/columns', 'email_address', 'required'],
      ],
    },
    {
      name: 'the id of a user',
      columns: 'id,last_name,email_address',
      errors: [
        ['/columns/0', 'id', 'unknown', /mode=upsert/],
      ],
    },
    {
      name: 'a row of values',
      columns: 'Doe,jane.doe@example.com',
      errors: [
        ['/columns/0', 'doe', 'unknown'],
        ['/columns/1', 'jane.doe@example.com', 'unknown'],
        ['/columns', 'last_name', 'required'],
        ['/columns', 'email_address', 'required'],
      ],
    },
  ]
  for (const { name, columns, errors } of cases) {
    await t.test(`a header with ${name} is refused`, async t => {
      const { rows, problem } = await readFile(`${columns}\n${janeRow}`, 'csv')
      t.strictSame(rows, [])
      t.equal(problem?.code, 'validation_failed')
      const expected = errors.map(([pointer, field, rule, message = /./]) => ({ in: 'body', pointer, field, rule, message }))
      t.match(problem?.extras.errors, expected)
      t.equal(problem?.extras.errors?.length, errors.length)
    })
  }

  await t.test('a value in a column without a name makes its row invalid', async t => {
    const { rows } = await readFile('last_name,,email_address\nDoe,x,jane.doe@example.com\nRoe,,roe@example.com', 'csv')
    t.match(rows, [{ kind: 'invalid', errors: [{ message: /column 2/ }] }, { kind: 'valid' }])
  })
})

t.test('a row that repeats a value of an earlier valid row is invalid', async t => {
  const columns = 'last_name,email_address,origin_id'
  const cases = [
    {
      name: 'the same address',
      file: 'A,a@example.com\nB,b@example.com\nC,A@Example.com',
      errors: ['email_address duplicate'],
    },
    {
      name: 'the same origin_id',
      file: 'A,a@example.com,x\nB,b@example.com,y\nC,c@example.com,x',
      errors: ['origin_id duplicate'],
    },
    {
      name: 'both',
      file: 'A,a@example.com,x\nB,b@example.com,y\nC,b@example.com,x',
      errors: ['email_address duplicate', 'origin_id duplicate'],
    },
  ]
  for (const { name, file, errors } of cases) {
    await t.test(`a third row with ${name} is invalid`, async t => {
      const { rows } = await readFile(`${columns}\n${file}`, 'csv')
      t.strictSame(rows.map(({ kind }) => kind), ['valid', 'valid', 'invalid'])
      t.strictSame(rows.slice(2).map(describeRow), [errors])
      t.match(rows.at(2), { errors: [{ message: /row [12]/ }] })
    })
  }

  await t.test('a row after an invalid one with the same address is valid', async t => {
    const { rows } = await readFile('last_name,email_address\n,a@example.com\nA,a@example.com', 'csv')
    t.strictSame(rows.map(({ kind }) => kind), ['invalid', 'valid'])
  })
})

t.test('with mode=upsert, a row may name a user', async t => {
  const options = rowOptions({ mode: 'upsert' })
  const cases = [
    { name: 'a row with an id needs no other value', file: 'id,notes\n381006,x', rows: [{ id: 381006, notes: 'x' }] },
    {
      name: 'a row without an id is a new user',
      file: 'id,last_name,email_address\n,Doe,jane.doe@example.com',
      rows: [jane],
    },
    { name: 'a new user needs the required values', file: 'id,last_name\n,Doe', rows: [['email_address required']] },
    { name: 'an id is in one row only', file: 'id,notes\n1,x\n1,y', rows: [{ id: 1, notes: 'x' }, ['id duplicate']] },
    {
      name: 'a field of new users only is refused for a row with an id',
      file: 'id,bid_contact\n1,true',
      rows: [['bid_contact unknown']],
    },
  ]
  for (const { name, file, rows } of cases) {
    await t.test(name, async t => {
      const read = await readFile(file, 'csv', options)
      t.strictSame(read.rows.map(describeRow), rows)
      t.equal(read.problem, undefined)
    })
  }
})

t.test('a value that the caller may not set makes its row forbidden', async t => {
  const options = rowOptions({}, { permissionTemplateIds: new Set([27]) })
  const file = 'last_name,email_address,default_permission_template_id\nA,a@example.com,28\nB,b@example.com,27'
  const { rows } = await readFile(file, 'csv', options)
  t.match(rows, [{ kind: 'forbidden', number: 1, problem: { code: 'template_not_allowed' } }, { kind: 'valid' }])
})

t.test('an error of the source ends the rows with it', async t => {
  const error = new Error('the caller closed the connection')
  async function * source (): AsyncGenerator<Buffer> {
    yield Buffer.from(`${header}\n${janeRow}\nA,a@`)
    throw error
  }
  const { readRows } = await import('../../../src/proxy/import/read-rows.ts')
  const rows = readRows(source(), 'csv', rowOptions())
  t.match(await rows.next(), { value: { kind: 'valid' } })
  await t.rejects(rows.next(), { message: error.message })
})
