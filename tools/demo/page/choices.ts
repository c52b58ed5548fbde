/** Loads the options of the form's selects from the form metadata. */
import type { Client } from '../../../client/client.ts'

type UserForm = Awaited<ReturnType<Client['userForm']>>['data']

export interface SelectOption {
  value: string
  label: string
}

export interface FormChoices {
  /** The keys are names of selects. */
  optionsByField: ReadonlyMap<string, readonly SelectOption[]>
  countries: UserForm['countries']
  avatar: UserForm['avatar']
  /** Fields that the company itself requires; empty if they could not be loaded. */
  requiredFields: readonly string[]
  /** One message for each list that could not be loaded. */
  loadErrors: readonly string[]
}

export async function loadFormChoices (client: Client, companyId: number): Promise<FormChoices> {
  const { data } = await client.userForm(companyId)
  const { pick_lists: pickLists, countries, avatar, required_fields: requiredFields, problems } = data
  const templates = pickLists.permission_templates ?? []
  const templatesOfType = (type: string) => {
    return templates.filter(template => template['type'] === type || template['type'] === 'global')
  }
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
  return (items ?? []).map(({ id, name }) => {
    return { value: String(id), label: typeof name === 'string' ? name : `No. ${String(id)}` }
  })
}
