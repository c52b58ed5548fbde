/** The storage host that avatars are redirected to: it has no accounts, and serves URLs that Procore signed. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Directory } from './directory.ts'
import type { ReceivedRequest } from './recorder.ts'
import type { EmulatedResponse } from './response.ts'

/** Signs and serves the avatars of a directory as S3 does with presigned URLs. */
export class EmulatedStorage {
  readonly #directory: Directory
  readonly #hmacKey = randomBytes(32)

  constructor (directory: Directory) {
    this.#directory = directory
  }

  /** Returns the path and query that `respond` serves the user's avatar for. */
  signPath (userId: number): string {
    const pathname = `/avatars/${userId}`
    return `${pathname}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=${this.#sign(pathname)}`
  }

  respond ({ method, path, headers }: ReceivedRequest): EmulatedResponse {
    const { pathname, searchParams } = new URL(path, 'http://storage')
    if (headers.authorization !== undefined) {
      return errorResponse(400, 'InvalidArgument', 'Only one auth mechanism allowed')
    }
    if (!this.#isSigned(pathname, searchParams.get('X-Amz-Signature') ?? '')) {
      return errorResponse(403, 'AccessDenied', 'Access Denied')
    }
    const avatar = this.#directory.users.get(Number(pathname.split('/')[2]))?.avatar
    if (method !== 'GET' || avatar === undefined) {
      return errorResponse(404, 'NoSuchKey', 'The specified key does not exist.')
    }
    return avatarResponse(avatar)
  }

  #sign (pathname: string): string {
    return createHmac('sha256', this.#hmacKey).update(pathname).digest('hex')
  }

  #isSigned (pathname: string, signature: string): boolean {
    const expected = Buffer.from(this.#sign(pathname))
    const given = Buffer.from(signature)
    return given.length === expected.length && timingSafeEqual(given, expected)
  }
}

/** Does not reveal the image type: clients have to detect it. */
export function avatarResponse (avatar: Buffer): EmulatedResponse {
  return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: avatar }
}

function errorResponse (status: number, code: string, message: string): EmulatedResponse {
  const xml = `<Error><Code>${code}</Code><Message>${message}</Message></Error>`
  return { status, headers: { 'content-type': 'application/xml' }, body: xml }
}
