/** Writes the code that creates the user of the form with the client package. */
import type { NewUser } from '../../../client/client.ts'

const lineMax = 90

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
  const fieldLines = wrap(fields.map(([name, value]) => `${name}: ${toLiteral(value)},`)).map(line => `    ${line}\n`)
  const optionsArgument = options.length === 0 ? '' : `, { ${options.join(', ')} }`
  return `import { createClient, describeFailure, isFailure, Submission } from 'procore-bff-client'

const client = createClient({ baseUrl: ${toLiteral(baseUrl)} })
const submission = new Submission(client, ${companyId})

try {
  const { data } = await submission.submit({
${fieldLines.join('')}  }${optionsArgument})
  console.log(data.id)
} catch (error) {
  if (!isFailure(error)) throw error
  console.error(describeFailure(error))
${form.method === 'submit' ? '' : '  if (submission.canCreateAnyway) await submission.createAnyway()\n'}}
`
}

/** Packs the fields into lines, so that the page shows the whole call without scrolling. */
function wrap (fields: readonly string[]): string[] {
  const lines: string[] = []
  for (const field of fields) {
    const line = `${lines.at(-1) ?? ''} ${field}`
    if (lines.length > 0 && line.length <= lineMax) lines.splice(-1, 1, line)
    else lines.push(field)
  }
  return lines
}

function toLiteral (value: unknown): string {
  const literal = JSON.stringify(value)
  if (typeof value !== 'string') return literal
  return `'${literal.slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}
