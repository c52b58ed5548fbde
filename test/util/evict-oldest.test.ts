// What is remembered of many callers, companies and keys: the oldest goes, a share at a time.
import t from 'tap'
import { evictOldest } from '../../src/util/evict-oldest.ts'

class WatchedMap extends Map<number, string> {
  walks = 0

  override [Symbol.iterator] (): MapIterator<[number, string]> {
    this.walks++
    return super[Symbol.iterator]()
  }
}

const max = 1600

t.test('a full map is walked through once in a while, not at each change', async t => {
  const map = new WatchedMap()
  let largest = 0
  for (let key = 0; key < max * 10; key++) {
    map.set(key, '')
    evictOldest(map, () => map.size / max, oldest => map.delete(oldest))
    largest = Math.max(largest, map.size)
  }
  t.equal(largest, max)
  t.ok(map.walks > 0)
  t.ok(map.walks <= 9 * 16, String(map.walks))
  t.ok(map.has(max * 10 - 1))
  t.notOk(map.has(0))
})

t.test('what has to stay stays, and the next one goes', async t => {
  const map = new Map(Array.from({ length: max + 1 }, (_, key) => [key, key < 10 ? 'stays' : '']))
  evictOldest(map, () => map.size / max, (oldest, value) => { if (value !== 'stays') map.delete(oldest) })
  t.ok(map.has(9))
  t.notOk(map.has(10))
  t.equal(map.size, max / 16 * 15)
})

t.test('a map that has room is left alone', async t => {
  const map = new WatchedMap([[1, '']])
  evictOldest(map, () => 1, () => t.fail('forgot one'))
  t.equal(map.walks, 0)
})
