/** The types of the client, from the OpenAPI document that is committed: openapi-typescript writes them, in the document's own names. */
import { fileURLToPath, pathToFileURL } from 'node:url'
import openapiTypescript, { astToString } from 'openapi-typescript'
import { openapiFile } from './openapi.ts'

export const typesFile = fileURLToPath(new URL('../../client/openapi.ts', import.meta.url))

const heading = '/** What openapi/openapi.yaml says, as types: written by `npm run client:types`, never by hand. */\n'

export async function clientTypes (): Promise<string> {
  return heading + astToString(await openapiTypescript(pathToFileURL(openapiFile)))
}
