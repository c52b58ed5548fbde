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
