// Eviction of the oldest entries of a Map, in batches.
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

t.test('a full map is iterated once per batch, not at each change', async t => {
  const map = new WatchedMap()
  let largest = 0
  for (let id = 0; id < max * 10; id++) {
    map.set(id, '')
    evictOldest(map, () => map.size / max, oldest => map.delete(oldest))
    largest = Math.max(largest, map.size)
  }
  t.equal(largest, max)
  t.ok(map.walks > 0)
  t.ok(map.walks <= 9 * 16, String(map.walks))
  t.ok(map.has(max * 10 - 1))
  t.notOk(map.has(0))
})

t.test('an entry that must stay is skipped, and the next one is evicted', async t => {
  const map = new Map(Array.from({ length: max + 1 }, (_, index) => [index, index < 10 ? 'stays' : '']))
  evictOldest(map, () => map.size / max, (oldest, value) => { if (value !== 'stays') map.delete(oldest) })
  t.ok(map.has(9))
  t.notOk(map.has(10))
  t.equal(map.size, max / 16 * 15)
})

t.test('a map at its limit is not iterated', async t => {
  const map = new WatchedMap([[1, '']])
  evictOldest(map, () => 1, () => t.fail('evicted an entry'))
  t.equal(map.walks, 0)
})
