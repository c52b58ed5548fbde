/** Fills the selects, and lets the states follow the country. */
import type { Choice, Choices } from './choices.ts'
import { find, make } from './dom.ts'

export function fillSelects ({ lists, countries }: Choices): void {
  for (const [name, choices] of lists) fill(find(name, HTMLSelectElement), choices)
  const country = find('country_code', HTMLSelectElement)
  const state = find('state_code', HTMLSelectElement)
  fill(country, countries.map(({ code, name }) => ({ value: code, label: name })))
  const follow = () => {
    const chosen = countries.find(({ code }) => code === country.value)
    fill(state, (chosen?.subdivisions ?? []).map(({ code, name }) => ({ value: code, label: `${name} (${code})` })))
    state.disabled = chosen === undefined || chosen.subdivisions.length === 0
    find('state_code-hint', HTMLElement).textContent = chosen === undefined ? 'Choose a country first.' : `${chosen.subdivisions.length} of ${chosen.name}.`
  }
  country.addEventListener('change', () => {
    // The same code is another place in another country.
    state.value = ''
    follow()
  })
  find('form', HTMLFormElement).addEventListener('reset', () => queueMicrotask(follow))
  follow()
}

/** What was chosen stays so where it can. */
function fill (select: HTMLSelectElement, choices: readonly Choice[]): void {
  const chosen = select.value
  select.replaceChildren(make('option', { value: '' }, 'None'), ...choices.map(({ value, label }) => make('option', { value }, label)))
  select.value = choices.some(({ value }) => value === chosen) ? chosen : ''
}
