// The rows of values that must be unique in a file.
import t from 'tap'
import { RowNumbers } from '../../../src/proxy/import/row-numbers.ts'

t.test('each of many values has the row that it was added with, and no other value has one', async t => {
  const numbers = new RowNumbers()
  const count = 20_000
  for (let row = 1; row <= count; row++) numbers.add(`value ${row}`, row)
  const wrong = Array.from({ length: count }, (_, index) => index + 1).filter(row => {
    return numbers.get(`value ${row}`) !== row || numbers.get(`other ${row}`) !== undefined
  })
  t.strictSame(wrong, [])
})
