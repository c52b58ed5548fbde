/** The form as the user that the client takes, and its draft, which a reload does not lose. */
import type { FieldName, NewUser } from '../../../client/client.ts'
import { make } from './dom.ts'

/** What was left empty is not sent. */
export function userOf (form: HTMLFormElement): NewUser {
  const data = new FormData(form)
  const text = (name: FieldName): string | undefined => {
    const value = data.get(name)
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const number = (name: FieldName): number | undefined => {
    const value = text(name)
    return value === undefined ? undefined : Number(value)
  }
  const flag = (name: FieldName): boolean => data.has(name)
  return {
    last_name: text('last_name') ?? '',
    email_address: text('email_address') ?? '',
    first_name: text('first_name'),
    job_title: text('job_title'),
    initials: text('initials'),
    vendor_id: number('vendor_id'),
    bid_contact: flag('bid_contact') ? true : undefined,
    company_permission_template_id: number('company_permission_template_id'),
    default_permission_template_id: number('default_permission_template_id'),
    work_classification_id: number('work_classification_id'),
    employee_id: text('employee_id'),
    is_employee: flag('is_employee'),
    is_active: flag('is_active'),
    business_phone: text('business_phone'),
    business_phone_extension: number('business_phone_extension'),
    mobile_phone: text('mobile_phone'),
    fax_number: text('fax_number'),
    address: text('address'),
    city: text('city'),
    zip: text('zip'),
    country_code: text('country_code'),
    state_code: text('state_code'),
    notes: text('notes'),
    email_signature: text('email_signature'),
    origin_id: text('origin_id'),
    origin_data: text('origin_data'),
  }
}

const draftName = 'new-user-draft'

export function keepDraft (form: HTMLFormElement): void {
  const entries = inputsOf(form).map(input => [input.id, isCheck(input) ? input.checked : input.value])
  sessionStorage.setItem(draftName, JSON.stringify(Object.fromEntries(entries)))
}

/** The choices come later: what was chosen stands there by its value until then. */
export function restoreDraft (form: HTMLFormElement): void {
  const draft: unknown = JSON.parse(sessionStorage.getItem(draftName) ?? '{}')
  const values = new Map(Object.entries(Object(draft)))
  for (const input of inputsOf(form)) {
    const value = values.get(input.id)
    if (isCheck(input) && typeof value === 'boolean') input.checked = value
    else if (typeof value === 'string') {
      if (input instanceof HTMLSelectElement && value !== '') input.append(make('option', { value }, value))
      input.value = value
    }
  }
}

export const forgetDraft = () => sessionStorage.removeItem(draftName)

type Input = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement

const isCheck = (input: Input): input is HTMLInputElement => input instanceof HTMLInputElement && input.type === 'checkbox'

function inputsOf (form: HTMLFormElement): Input[] {
  const isInput = (element: Element): element is Input => element instanceof HTMLInputElement || element instanceof HTMLSelectElement || element instanceof HTMLTextAreaElement
  return [...form.elements].filter(isInput).filter(({ type }) => type !== 'file')
}
