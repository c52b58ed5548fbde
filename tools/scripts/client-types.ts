/** The types of the client, from the OpenAPI document that is committed: openapi-typescript writes them, in the document's own names. */
import { fileURLToPath, pathToFileURL } from 'node:url'
import openapiTypescript, { astToString } from 'openapi-typescript'
import { openapiPath } from './openapi.ts'

export const clientTypesFile = fileURLToPath(new URL('../../client/openapi.ts', import.meta.url))

const fileHeader = '/** What openapi/openapi.yaml says, as types: written by `npm run client:types`, never by hand. */\n'

export async function generateClientTypes (): Promise<string> {
  return fileHeader + astToString(await openapiTypescript(pathToFileURL(openapiPath)))
}
