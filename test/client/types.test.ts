// The types of the client: what is committed is what the OpenAPI document says.
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { generateClientTypes, clientTypesPath } from '../../tools/scripts/client-types.ts'

t.test('they are not stale: `npm run client:types` rewrites them, and `npm run openapi` both', async t => {
  t.equal(await readFile(clientTypesPath, 'utf8'), await generateClientTypes())
})
