// Rows that wait between their reader and their sender.
import t from 'tap'
import { RowQueue } from '../../../src/proxy/import/row-queue.ts'

t.test('the event loop runs while many rows are taken that wait already', async t => {
  const queue = new RowQueue()
  const count = 100_000
  for (let number = 1; number <= count; number++) await queue.add({ number, json: '{}' })
  let iterations = 0
  const iterate = () => {
    iterations++
    iteration = setImmediate(iterate)
  }
  let iteration = setImmediate(iterate)
  t.teardown(() => clearImmediate(iteration))
  for (let taken = 1; taken <= count; taken++) JSON.parse(JSON.stringify(await queue.take()))
  t.ok(iterations > 0)
})

t.test('rows of any size and script are taken as they were added, and those that were put back first', async t => {
  const queue = new RowQueue()
  const texts = ['a', 'Zoë 山', 'x'.repeat(100_000), 'b\nc', ...Array.from({ length: 3_000 }, (_, index) => `${index}`)]
  const rows = texts.map((text, index) => ({ number: index * 2 + 1, json: JSON.stringify({ text }) }))
  for (const row of rows.slice(0, 3)) await queue.add(row)
  const first = [await queue.take(), await queue.take()]
  t.strictSame(first, rows.slice(0, 2))
  queue.putBack(rows.slice(1, 2))
  for (const row of rows.slice(3)) await queue.add(row)
  queue.end()
  const taken = []
  for (let row = await queue.take(); row !== undefined; row = await queue.take()) taken.push(row)
  t.strictSame(taken, rows.slice(1))
})

t.test('a row that is taken while none waits is the next one that is added', async t => {
  const queue = new RowQueue()
  const pending = queue.take()
  await queue.add({ number: 1, json: '{}' })
  t.strictSame(await pending, { number: 1, json: '{}' })
  queue.end()
  t.equal(await queue.take(), undefined)
})
