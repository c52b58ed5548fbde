/** Writes the code that creates the user of the form with the client package. */
import type { NewUser } from '../../../client/client.ts'

export interface SampleInput {
  baseUrl: string
  companyId: number
  user: NewUser
  hasAvatar: boolean
  runConfigurableValidations: boolean
  method: 'submit' | 'createAnyway'
}

export function writeSample ({ baseUrl, companyId, user, ...form }: SampleInput): string {
  const options = [
    ...form.hasAvatar ? ['avatar: input.files[0]'] : [],
    ...form.runConfigurableValidations ? ['runConfigurableValidations: true'] : [],
  ]
  const fields = Object.entries(user).filter(([, value]) => value !== undefined)
  const fieldLines = fields.map(([name, value]) => `  ${name}: ${toLiteral(value)},\n`).join('')
  const optionsArgument = options.length === 0 ? '' : `, { ${options.join(', ')} }`
  return `import { createClient, describeFailure, isFailure, Submission } from 'procore-bff-client'

const client = createClient({ baseUrl: ${toLiteral(baseUrl)} })
const submission = new Submission(client, ${companyId})
const user = {
${fieldLines}}

try {
  const { data } = await submission.submit(user${optionsArgument})
  console.log(data.id)
} catch (error) {
  if (!isFailure(error)) throw error
  console.error(describeFailure(error))
${form.method === 'submit' ? '' : '  if (submission.canCreateAnyway) await submission.createAnyway()\n'}}
`
}

function toLiteral (value: unknown): string {
  const literal = JSON.stringify(value)
  if (typeof value !== 'string') return literal
  return `'${literal.slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}
