/** `npm run openapi`: rewrites openapi/openapi.yaml from the code. */
import { writeFile } from 'node:fs/promises'
import { openapiYaml, openapiFile } from './openapi.ts'

await writeFile(openapiFile, await openapiYaml())
