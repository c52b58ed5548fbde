/** Fills the selects, and lets the states follow the country. */
import type { SelectOption, FormChoices } from './choices.ts'
import { getElement, createElement } from './dom.ts'

export function fillSelects ({ optionsByField, countries }: FormChoices): void {
  for (const [name, options] of optionsByField) setOptions(getElement(name, HTMLSelectElement), options)
  const country = getElement('country_code', HTMLSelectElement)
  const state = getElement('state_code', HTMLSelectElement)
  setOptions(country, countries.map(({ code, name }) => ({ value: code, label: name })))
  const updateStates = () => {
    const selectedCountry = countries.find(({ code }) => code === country.value)
    setOptions(state, (selectedCountry?.subdivisions ?? []).map(({ code, name }) => ({ value: code, label: `${name} (${code})` })))
    state.disabled = selectedCountry === undefined || selectedCountry.subdivisions.length === 0
    getElement('state_code-hint', HTMLElement).textContent = selectedCountry === undefined ? 'Choose a country first.' : `${selectedCountry.subdivisions.length} of ${selectedCountry.name}.`
  }
  country.addEventListener('change', () => {
    // The same code is another place in another country.
    state.value = ''
    updateStates()
  })
  getElement('form', HTMLFormElement).addEventListener('reset', () => queueMicrotask(updateStates))
  updateStates()
}

/** What was chosen stays so where it can. */
function setOptions (select: HTMLSelectElement, options: readonly SelectOption[]): void {
  const selectedValue = select.value
  select.replaceChildren(createElement('option', { value: '' }, 'None'), ...options.map(({ value, label }) => createElement('option', { value }, label)))
  select.value = options.some(({ value }) => value === selectedValue) ? selectedValue : ''
}
