/** What can be chosen in the form: the one place that knows where it comes from. */
import type { Client } from '../../../client/client.ts'

type UserForm = Awaited<ReturnType<Client['userForm']>>['data']

export interface SelectOption {
  value: string
  label: string
}

export interface FormChoices {
  /** By the name of the input that chooses. */
  optionsByField: ReadonlyMap<string, readonly SelectOption[]>
  countries: UserForm['countries']
  avatar: UserForm['avatar']
  /** What the company itself requires, as far as it is known. */
  requiredFields: readonly string[]
  /** What could not be had, in words. */
  loadErrors: readonly string[]
}

export async function loadFormChoices (client: Client, companyId: number): Promise<FormChoices> {
  const { data: { pick_lists: pickLists, countries, avatar, required_fields: requiredFields, problems } } = await client.userForm(companyId)
  const templatesOfType = (type: string) => (pickLists.permission_templates ?? []).filter(template => template['type'] === type || template['type'] === 'global')
  return {
    optionsByField: new Map([
      ['vendor_id', toSelectOptions(pickLists.vendors)],
      ['work_classification_id', toSelectOptions(pickLists.work_classifications)],
      ['company_permission_template_id', toSelectOptions(templatesOfType('company_tools'))],
      ['default_permission_template_id', toSelectOptions(templatesOfType('project_tools'))],
    ]),
    countries,
    avatar,
    requiredFields: requiredFields ?? [],
    loadErrors: Object.entries(problems).map(([name, { detail }]) => `${name.replaceAll('_', ' ')}: ${detail}`),
  }
}

function toSelectOptions (items: ReadonlyArray<Record<string, unknown>> | null): SelectOption[] {
  return (items ?? []).map(({ id, name }) => ({ value: String(id), label: typeof name === 'string' ? name : `No. ${String(id)}` }))
}
