/** What can be chosen in the form: the one place that knows where it comes from. */
import type { Client } from '../../../client/client.ts'

type UserForm = Awaited<ReturnType<Client['userForm']>>['data']

export interface Choice {
  value: string
  label: string
}

export interface Choices {
  /** By the name of the input that chooses. */
  lists: ReadonlyMap<string, readonly Choice[]>
  countries: UserForm['countries']
  avatar: UserForm['avatar']
  /** What the company itself requires, as far as it is known. */
  required: readonly string[]
  /** What could not be had, in words. */
  missing: readonly string[]
}

export async function loadChoices (client: Client, companyId: number): Promise<Choices> {
  const { data: { pick_lists: lists, countries, avatar, required_fields: required, problems } } = await client.userForm(companyId)
  const templates = (type: string) => (lists.permission_templates ?? []).filter(template => template['type'] === type || template['type'] === 'global')
  return {
    lists: new Map([
      ['vendor_id', choicesOf(lists.vendors)],
      ['work_classification_id', choicesOf(lists.work_classifications)],
      ['company_permission_template_id', choicesOf(templates('company_tools'))],
      ['default_permission_template_id', choicesOf(templates('project_tools'))],
    ]),
    countries,
    avatar,
    required: required ?? [],
    missing: Object.entries(problems).map(([name, { detail }]) => `${name.replaceAll('_', ' ')}: ${detail}`),
  }
}

function choicesOf (items: ReadonlyArray<Record<string, unknown>> | null): Choice[] {
  return (items ?? []).map(({ id, name }) => ({ value: String(id), label: typeof name === 'string' ? name : `No. ${String(id)}` }))
}
