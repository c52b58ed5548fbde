/**
 * Exits with status 1 and one sentence if Node is older than `engines` of package.json allows. It is JavaScript, so
 * that such a Node can run it. `npm start` runs it first, because an old Node also rejects the flags of the service.
 */
import { readFileSync } from 'node:fs'

const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
const requiredMajor = Number(engines.node.replace('>=', ''))

const { execPath, versions: { node } } = process

if (Number.parseInt(node) < requiredMajor) {
  process.stderr.write(
    `procore-bff needs Node ${requiredMajor} or later, and this is Node ${node} (${execPath}): ` +
    'install a newer Node, or run `npm ci`, with which `npm start` uses the pinned version.\n'
  )
  process.exit(1)
}
