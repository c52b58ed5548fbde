/** Lists that Procore gives a page at a time, as a walk from one page to the next. */
import type { Answer } from './call.ts'

/** Each page is asked for when the one before it was taken; whoever stops taking ends it. */
export async function * pagesFrom<T> (first: number, ask: (page: number) => Promise<Answer<T>>): AsyncGenerator<Answer<T>, void, undefined> {
  for (let page: number | undefined = first; page !== undefined;) {
    const answer: Answer<T> = await ask(page)
    yield answer
    page = pageAfter(page, answer.headers.get('link') ?? '')
  }
}

/** The one that `Link` calls next (RFC 8288). Of the link only its number is taken, so that it can lead the token nowhere, and never back, so that there is an end. */
function pageAfter (page: number, link: string): number | undefined {
  const [, target = ''] = [...link.matchAll(/<([^<>]*)>([^<]*)/g)].find(([, , parameters = '']) => /;\s*rel="?(?:[^"]*\s)?next\b/i.test(parameters)) ?? []
  const next = Number(new URLSearchParams(target.slice(target.indexOf('?') + 1)).get('page'))
  return Number.isSafeInteger(next) && next > page ? next : undefined
}
