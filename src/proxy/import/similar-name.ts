/** Suggests the field that a column is probably meant for. */

/** Longest name that is compared, because the time grows with the product of both lengths. */
const comparedMaxLength = 64

/** Returns the first of the names that starts with the given one, or the one with the fewest different letters. */
export function findSimilarName (name: string, names: readonly string[]): string | undefined {
  const letters = toLetters(name)
  if (letters === '' || letters.length > comparedMaxLength) return undefined
  const longer = names.find(other => letters.length >= 3 && toLetters(other).startsWith(letters))
  if (longer !== undefined) return longer
  const [closest] = names
    .map(other => ({ other, distance: editDistance(letters, toLetters(other)) }))
    .sort((a, b) => a.distance - b.distance)
  return closest !== undefined && closest.distance <= letters.length / 4 + 1 ? closest.other : undefined
}

const toLetters = (name: string) => name.toLowerCase().replaceAll(/[^\p{L}\d]/gu, '')

/** Returns how many letters have to be added, removed or replaced (Levenshtein). */
function editDistance (a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1]
    for (const [column, other] of [...b].entries()) {
      const replaced = (row[column] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
