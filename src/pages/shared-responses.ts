/**
 * What many operations of the OpenAPI document answer alike stands once, among its components. Successes and bodies stay where they
 * are: whoever looks at an operation wants to see them.
 */
import { problemMediaType } from '../problem.ts'

type Members = Record<string, unknown>

const mediaType = problemMediaType.split(';')[0] ?? ''

/**
 * Leaves a reference (OpenAPI 3.1 §4.8.23) at each operation for the problems that it may answer.
 * @returns the responses that are referred to, by name, for `components.responses`
 */
export function shareProblems (paths: object): Members {
  const names = new Map<string, string>()
  const shared: Members = {}
  for (const operation of Object.values(paths).flatMap(path => Object.values(path))) {
    if (!isObject(operation) || !isObject(operation['responses'])) continue
    const { responses } = operation
    for (const [status, response] of Object.entries(responses).filter(([, response]) => isOfProblem(response))) {
      const text = JSON.stringify(response)
      const name = names.get(text) ?? freeName(`Problem${status}`, shared)
      names.set(text, name)
      shared[name] = response
      responses[status] = { $ref: `#/components/responses/${name}` }
    }
  }
  return shared
}

/** One status has several where operations differ in what can go wrong. */
function freeName (name: string, taken: Members): string {
  let free = name
  for (let count = 2; free in taken; count++) free = `${name}-${count}`
  return free
}

function isOfProblem (response: unknown): boolean {
  return isObject(response) && isObject(response['content']) && mediaType in response['content']
}

function isObject (value: unknown): value is Members {
  return typeof value === 'object' && value !== null
}
