/** Reads the form as a user, and saves it as a draft that survives a reload. */
import type { FieldName, NewUser } from '../../../client/client.ts'
import { createElement } from './dom.ts'

/** Omits empty fields. */
export function readUser (form: HTMLFormElement): NewUser {
  const data = new FormData(form)
  const readText = (name: FieldName): string | undefined => {
    const value = data.get(name)
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const readNumber = (name: FieldName): number | undefined => {
    const value = readText(name)
    return value === undefined ? undefined : Number(value)
  }
  const readBoolean = (name: FieldName): boolean => data.has(name)
  return {
    last_name: readText('last_name') ?? '',
    email_address: readText('email_address') ?? '',
    first_name: readText('first_name'),
    job_title: readText('job_title'),
    initials: readText('initials'),
    vendor_id: readNumber('vendor_id'),
    bid_contact: readBoolean('bid_contact') ? true : undefined,
    company_permission_template_id: readNumber('company_permission_template_id'),
    default_permission_template_id: readNumber('default_permission_template_id'),
    work_classification_id: readNumber('work_classification_id'),
    employee_id: readText('employee_id'),
    is_employee: readBoolean('is_employee'),
    is_active: readBoolean('is_active'),
    business_phone: readText('business_phone'),
    business_phone_extension: readNumber('business_phone_extension'),
    mobile_phone: readText('mobile_phone'),
    fax_number: readText('fax_number'),
    address: readText('address'),
    city: readText('city'),
    zip: readText('zip'),
    country_code: readText('country_code'),
    state_code: readText('state_code'),
    notes: readText('notes'),
    email_signature: readText('email_signature'),
    origin_id: readText('origin_id'),
    origin_data: readText('origin_data'),
  }
}

const draftStorageKey = 'new-user-draft'

export function saveDraft (form: HTMLFormElement): void {
  const entries = getInputs(form).map(input => [input.id, isCheckbox(input) ? input.checked : input.value])
  sessionStorage.setItem(draftStorageKey, JSON.stringify(Object.fromEntries(entries)))
}

/** Options are loaded later: until then a select has its chosen value as the only option. */
export function restoreDraft (form: HTMLFormElement): void {
  const draft: unknown = JSON.parse(sessionStorage.getItem(draftStorageKey) ?? '{}')
  const values = new Map<string, unknown>(Object.entries(typeof draft === 'object' && draft !== null ? draft : {}))
  for (const input of getInputs(form)) {
    const value = values.get(input.id)
    if (isCheckbox(input) && typeof value === 'boolean') input.checked = value
    else if (typeof value === 'string') {
      if (input instanceof HTMLSelectElement && value !== '') input.append(createElement('option', { value }, value))
      input.value = value
    }
  }
}

export const clearDraft = () => sessionStorage.removeItem(draftStorageKey)

type FormInput = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement

const formInputTypes = [HTMLInputElement, HTMLSelectElement, HTMLTextAreaElement]

const isFormInput = (element: Element): element is FormInput => formInputTypes.some(type => element instanceof type)

function isCheckbox (input: FormInput): input is HTMLInputElement {
  return input instanceof HTMLInputElement && input.type === 'checkbox'
}

function getInputs (form: HTMLFormElement): FormInput[] {
  return [...form.elements].filter(isFormInput).filter(({ type }) => type !== 'file')
}
