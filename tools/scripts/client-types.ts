/** Generates client/openapi.ts from the committed OpenAPI document; `npm run client:types` writes the file. */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import openapiTypescript, { astToString } from 'openapi-typescript'
import { openapiPath } from './openapi.ts'

export const clientTypesPath = fileURLToPath(new URL('../../client/openapi.ts', import.meta.url))

const fileHeader = '/** The types of openapi/openapi.yaml: written by `npm run client:types`. Do not edit. */\n'

export async function generateClientTypes (): Promise<string> {
  return fileHeader + astToString(await openapiTypescript(pathToFileURL(openapiPath)))
}

if (import.meta.main) await writeFile(clientTypesPath, await generateClientTypes())
