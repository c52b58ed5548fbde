// Tests that the committed types of the client follow from the OpenAPI document.
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { generateClientTypes, clientTypesPath } from '../../tools/scripts/client-types.ts'

t.test('client/openapi.ts is up to date; `npm run openapi` rewrites it and the document', async t => {
  t.equal(await readFile(clientTypesPath, 'utf8'), await generateClientTypes())
})
