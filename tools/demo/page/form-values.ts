/** The form as the user that the client takes, and its draft, which a reload does not lose. */
import type { FieldName, NewUser } from '../../../client/client.ts'
import { createElement } from './dom.ts'

/** What was left empty is not sent. */
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

/** The choices come later: what was chosen stands there by its value until then. */
export function restoreDraft (form: HTMLFormElement): void {
  const draft: unknown = JSON.parse(sessionStorage.getItem(draftStorageKey) ?? '{}')
  const values = new Map(Object.entries(Object(draft)))
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

const isCheckbox = (input: FormInput): input is HTMLInputElement => input instanceof HTMLInputElement && input.type === 'checkbox'

function getInputs (form: HTMLFormElement): FormInput[] {
  const isInput = (element: Element): element is FormInput => element instanceof HTMLInputElement || element instanceof HTMLSelectElement || element instanceof HTMLTextAreaElement
  return [...form.elements].filter(isInput).filter(({ type }) => type !== 'file')
}
