/** `npm run client:types`: rewrites client/openapi.ts from openapi/openapi.yaml. */
import { writeFile } from 'node:fs/promises'
import { clientTypes, typesFile } from './client-types.ts'

await writeFile(typesFile, await clientTypes())
