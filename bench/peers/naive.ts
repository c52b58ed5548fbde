/** The route one writes first: Fastify parses, undici sends. Uploads are buffered by `toBuffer`, sent as FormData. */
import multipart from '@fastify/multipart'
import Fastify from 'fastify'
import { FormData, Pool } from 'undici'
import { logListening, accessToken, upstreamUrl } from './peer.ts'

type Part =
  | { type: 'field', fieldname: string, value: unknown }
  | { type: 'file', fieldname: string, filename: string, toBuffer (): Promise<Buffer> }

const pool = new Pool(upstreamUrl, { connections: 128 })
const app = Fastify()
await app.register(multipart, { limits: { fileSize: Infinity } })
app.post<{ Params: { id: string } }>('/companies/:id/users', async (request, reply) => {
  const path = `/rest/v1.3/companies/${request.params.id}/users`
  const headers = { authorization: `Bearer ${accessToken}` }
  const { statusCode, body } = request.isMultipart()
    ? await pool.request({ method: 'POST', path, headers, body: await toFormData(request.parts()) })
    : await pool.request({
      method: 'POST',
      path,
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(request.body),
    })
  return reply.code(statusCode).type('application/json').send(await body.json())
})

async function toFormData (parts: AsyncIterable<Part>): Promise<FormData> {
  const formData = new FormData()
  for await (const part of parts) {
    if (part.type === 'field') {
      formData.append(part.fieldname, String(part.value))
    } else {
      const content = new Uint8Array(await part.toBuffer())
      formData.append(part.fieldname, new Blob([content]), part.filename)
    }
  }
  return formData
}

await app.listen({ port: 0, host: '127.0.0.1' })
logListening(app.server)
