/** Fills the status page: rate limits of companies, problems of several codes, and uploads in flight. */
import { png } from './images.ts'
import { jane, janeParts, multipartBody, multipartPart, send, sendJson, sendMultipart } from './requests.ts'

/** Company ids that the emulator accepts. */
const companyIds = [1234, 1301]
const uploadBytes = [2_400_000, 900_000]

export interface FilledStatus {
  /** Completes the uploads, and resolves with the status of their responses. */
  completeUploads: () => Promise<number[]>
}

/** @param url of a service whose rate limit is not used up; uploads stay in flight until they are completed */
export async function fillStatus (url: string): Promise<FilledStatus> {
  const usersUrl = (companyId: number) => `${url}/companies/${companyId}/users`
  for (const [index, companyId] of companyIds.entries()) {
    for (let user = 0; user <= index; user++) {
      await sendJson(usersUrl(companyId), { user: { ...jane, email_address: `j${companyId}.${user}@example.com` } })
    }
  }
  const [companyId = 0] = companyIds
  await sendJson(usersUrl(companyId), { user: {} })
  await sendJson(usersUrl(companyId), { user: {} })
  await sendJson(usersUrl(companyId), '{')
  await send(`${url}/companies/${companyId}/user`, { method: 'GET' })
  await send(usersUrl(companyId), { method: 'DELETE' })
  const rest = Promise.withResolvers<void>()
  const uploads = uploadBytes.map((bytes, index) => {
    const avatar = multipartPart({ name: 'user[avatar]', filename: 'a.png', data: png(bytes) })
    const parts = janeParts.map(part => {
      return part.name === 'user[email_address]' ? { ...part, data: `upload${index}@example.com` } : part
    })
    const tail = multipartBody(parts)
    // The second half of the picture, and the fields, wait until the uploads are completed.
    const half = avatar.subarray(0, avatar.length / 2)
    return sendMultipart(usersUrl(companyId), (async function * () {
      yield half
      await rest.promise
      yield Buffer.concat([avatar.subarray(half.length), tail])
    })(), { 'content-length': String(avatar.length + tail.length) })
  })
  return {
    completeUploads: async () => {
      rest.resolve()
      return (await Promise.all(uploads)).map(({ status }) => status)
    },
  }
}
