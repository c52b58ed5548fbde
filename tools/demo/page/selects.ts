/** Fills the selects, and offers the states of the chosen country. */
import type { SelectOption, FormChoices } from './choices.ts'
import { getElement, createElement } from './dom.ts'

export function fillSelects ({ optionsByField, countries }: FormChoices): void {
  for (const [name, options] of optionsByField) setOptions(getElement(name, HTMLSelectElement), options)
  const country = getElement('country_code', HTMLSelectElement)
  const state = getElement('state_code', HTMLSelectElement)
  setOptions(country, countries.map(({ code, name }) => ({ value: code, label: name })))
  const stateHint = getElement('state_code-hint', HTMLElement)
  const updateStates = () => {
    const selectedCountry = countries.find(({ code }) => code === country.value)
    const subdivisions = selectedCountry?.subdivisions ?? []
    setOptions(state, subdivisions.map(({ code, name }) => ({ value: code, label: `${name} (${code})` })))
    state.disabled = subdivisions.length === 0
    stateHint.textContent = selectedCountry === undefined
      ? 'Choose a country first.'
      : `${selectedCountry.name} has ${subdivisions.length}.`
  }
  country.addEventListener('change', () => {
    // The same code means another state in another country.
    state.value = ''
    updateStates()
  })
  getElement('form', HTMLFormElement).addEventListener('reset', () => queueMicrotask(updateStates))
  updateStates()
}

/** Keeps the selected value if it is among the new options. */
function setOptions (select: HTMLSelectElement, options: readonly SelectOption[]): void {
  const selectedValue = select.value
  const elements = options.map(({ value, label }) => createElement('option', { value }, label))
  select.replaceChildren(createElement('option', { value: '' }, 'None'), ...elements)
  select.value = options.some(({ value }) => value === selectedValue) ? selectedValue : ''
}
