/** Folds the sections of the form, and shows the values of a folded section beside its title. */

const getSections = () => document.querySelectorAll<HTMLDetailsElement>('details.section')

export function foldSections (): void {
  for (const section of getSections()) section.open = false
}

export function showSectionValues (): void {
  for (const section of getSections()) {
    const values = section.querySelector('.values')
    if (values !== null) values.textContent = readValues(section).join(' · ') || 'Optional'
  }
}

function readValues (section: Element): string[] {
  const inputs = [...section.querySelectorAll('input, select, textarea')]
  return inputs.map(readValue).filter(value => value !== '')
}

function readValue (input: Element): string {
  if (input instanceof HTMLSelectElement) return input.value === '' ? '' : input.selectedOptions[0]?.text ?? ''
  if (input instanceof HTMLTextAreaElement) return input.value
  if (!(input instanceof HTMLInputElement)) return ''
  return input.type === 'checkbox' ? getCheckedLabel(input) : input.value
}

const getCheckedLabel = (input: HTMLInputElement) => input.checked ? input.labels?.[0]?.textContent.trim() ?? '' : ''
