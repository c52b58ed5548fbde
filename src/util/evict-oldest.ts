/**
 * Limits the size of a Map by evicting its oldest entries in batches. V8 leaves a gap for each deleted entry until it
 * rebuilds the table, so reading the first key of a large Map after every change walks over all gaps: with 100,000 keys
 * that took ten times as long as the change itself.
 */

/** Share of the limit that remains after an eviction. */
const targetLoad = 15 / 16

/**
 * If the Map exceeds its limit, evicts entries in insertion order until one sixteenth of the limit is free.
 * @param load returns the load of the Map; 1 is its limit
 * @param evict removes an entry from the Map, unless the entry must stay
 */
export function evictOldest<Key, Value> (
  map: ReadonlyMap<Key, Value>,
  load: () => number,
  evict: (key: Key, value: Value) => void
): void {
  if (load() <= 1) return
  for (const [key, value] of map) {
    if (load() <= targetLoad) return
    evict(key, value)
  }
}
