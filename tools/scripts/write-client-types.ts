/** `npm run client:types`: rewrites client/openapi.ts from openapi/openapi.yaml. */
import { writeFile } from 'node:fs/promises'
import { generateClientTypes, clientTypesFile } from './client-types.ts'

await writeFile(clientTypesFile, await generateClientTypes())
