/** `npm run openapi`: rewrites openapi/openapi.yaml from the code. */
import { writeFile } from 'node:fs/promises'
import { buildOpenapiYaml, openapiPath } from './openapi.ts'

await writeFile(openapiPath, await buildOpenapiYaml())
