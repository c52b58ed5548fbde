/**
 * Keeps a Map within its limit. V8 leaves a gap for what is deleted until it makes the table anew, so that whoever asks a large Map for its
 * first key at each change walks over all the gaps there are: with 100,000 keys that took ten times as long as the change itself. It knows
 * nothing of what is in the Map.
 */

/** A Map that was full is left with so much. */
const targetLoad = 15 / 16

/**
 * When there is more than may be, forgets what was put in first, until a sixteenth of the room is free again.
 * @param load of the Map: 1 is its limit
 * @param evict takes one out of the Map, unless it has to stay
 */
export function evictOldest<Key, Value> (map: ReadonlyMap<Key, Value>, load: () => number, evict: (key: Key, value: Value) => void): void {
  if (load() <= 1) return
  for (const [key, value] of map) {
    if (load() <= targetLoad) return
    evict(key, value)
  }
}
