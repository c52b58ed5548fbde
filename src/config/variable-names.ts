/** Finds variables that an operator meant for this service but that it does not know, such as misspelt ones. */

/** Every variable with one of these prefixes must be known. */
const settingPrefixes = ['PROCORE_', 'JWT_', 'CALLER_']

/**
 * Kubernetes sets `<SERVICE>_PORT…` and `<SERVICE>_SERVICE_…` for every service, which may have one of these prefixes.
 */
const kubernetesVariable = /_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_.+)?)$/

/** Names that other programs use as well, whose similar names belong to them (`HTTP_PROXY`, `OTEL_…`). */
const sharedName = /^(HTTPS_PROXY|NO_PROXY|OTEL_.+)$/
/** With fewer characters, names of other programs would be similar by chance. */
const similarMinLength = 8

/** Returns an issue for each name that has a prefix of this service or is similar to a known name. */
export function findUnknownNames (names: readonly string[], knownNames: ReadonlySet<string>): string[] {
  return names.flatMap(name => {
    if (knownNames.has(name) || kubernetesVariable.test(name)) return []
    const similarName = findSimilar(name, knownNames)
    if (similarName !== undefined) return [`${name}: is not a known setting; did you mean ${similarName}?`]
    return settingPrefixes.some(prefix => name.startsWith(prefix)) ? [`${name}: is not a known setting`] : []
  })
}

function findSimilar (name: string, knownNames: ReadonlySet<string>): string | undefined {
  const candidates = [...knownNames].filter(known => known.length >= similarMinLength && !sharedName.test(known))
  const distances = candidates.map(known => ({ known, distance: editDistance(name.toUpperCase(), known) }))
  return distances
    .filter(({ known, distance }) => distance <= (known.length < 12 ? 1 : 3))
    .sort((a, b) => a.distance - b.distance)[0]?.known
}

/** Counts the characters to insert, remove or replace to turn one name into the other (Levenshtein distance). */
function editDistance (from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [fromIndex, character] of [...from].entries()) {
    let diagonal = fromIndex
    let left = fromIndex + 1
    const next = [left]
    for (const [toIndex, toCharacter] of [...to].entries()) {
      const above = row[toIndex + 1] ?? 0
      left = Math.min(above + 1, left + 1, diagonal + (character === toCharacter ? 0 : 1))
      diagonal = above
      next.push(left)
    }
    row = next
  }
  return row[to.length] ?? 0
}
