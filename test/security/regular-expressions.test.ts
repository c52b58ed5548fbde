// A pattern that takes quadratic or exponential time lets a short text of a caller or of Procore stop a replica.
import t from 'tap'
import { attacksFrom, findExamples, findSlowText, readPatterns } from '../helpers/slow-patterns.ts'

t.test('every pattern takes linear time on texts that are made to slow it down', async t => {
  for (const { place, pattern } of readPatterns()) {
    await t.test(`${place} takes linear time`, async t => {
      t.not(findExamples(pattern).length, 0, 'test/helpers/slow-patterns.ts has an example that the pattern matches')
      t.equal(findSlowText(pattern, attacksFrom(pattern)), undefined)
    })
  }
})

t.test('a slow pattern is found', async t => {
  const rows = [
    { name: 'an exponential pattern', pattern: /<([^<>]*)>((?:\s*;\s*[^\s=;,"<>]+(?:\s*=\s*[^\s;,"<>]*)?)*)\s*(?=,|$)/ },
    { name: 'a quadratic pattern with two adjacent repetitions', pattern: /^([\w-]+):[ \t]*([^\n]*)$/ },
    { name: 'a quadratic pattern that is not anchored', pattern: /\/+$/ },
    { name: 'a quadratic pattern that is global', pattern: /\/+$/g },
  ]
  for (const { name, pattern } of rows) {
    await t.test(`${name} is found`, async t => {
      t.type(findSlowText(pattern, attacksFrom(pattern)), 'string')
    })
  }
})
