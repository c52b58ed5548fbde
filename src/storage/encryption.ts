/**
 * Encrypts values before they are stored in Redis: responses contain personal data, and an access token is a
 * credential.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import type { Secret } from '../config/secret.ts'

const nonceBytes = 12
const tagBytes = 16

/**
 * Encrypts with AES-256-GCM, with a random nonce for each value. The key is derived from the client secret by HKDF (RFC
 * 5869), and derived again when the secret changes. Each ciphertext is prefixed with the id of its key, so that a value
 * written under an earlier secret is recognized without trying to decrypt it.
 */
export class Encryptor {
  readonly #secret: Secret
  #lastSecret = ''
  #derivedKey = Buffer.alloc(0)
  #keyId = ''

  constructor (secret: Secret) {
    this.#secret = secret
  }

  /** Identifies the current key. The id is a hash, so it does not reveal the key. */
  get keyId (): string {
    const secret = this.#secret.reveal()
    if (secret !== this.#lastSecret) {
      this.#lastSecret = secret
      this.#derivedKey = Buffer.from(hkdfSync('sha256', secret, '', 'shared-store', 32))
      this.#keyId = createHash('sha256').update(this.#derivedKey).digest('base64url').slice(0, 8)
    }
    return this.#keyId
  }

  /** Returns an HMAC of the text, to be used in place of an identifier that must stay unreadable. */
  pseudonymize (text: string): string {
    // Reading `keyId` updates the derived key if the secret has changed.
    const { keyId } = this
    return createHmac('sha256', this.#derivedKey).update(`${keyId} ${text}`).digest('base64url')
  }

  /** @param name name of the stored value. It is authenticated: the value cannot be decrypted under another name. */
  encrypt (name: string, value: unknown): string {
    const { keyId } = this
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#derivedKey, nonce).setAAD(Buffer.from(name))
    const encrypted = [cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]
    const ciphertext = Buffer.concat([nonce, ...encrypted, cipher.getAuthTag()])
    return `${keyId}.${ciphertext.toString('base64')}`
  }

  /** Returns undefined if the value was encrypted with another key, or was corrupted. */
  decrypt (name: string, encrypted: string): unknown {
    const [keyId, base64 = ''] = encrypted.split('.')
    if (keyId !== this.keyId) return undefined
    const bytes = Buffer.from(base64, 'base64')
    const nonce = bytes.subarray(0, nonceBytes)
    const ciphertext = bytes.subarray(nonceBytes, -tagBytes)
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#derivedKey, nonce)
        .setAAD(Buffer.from(name))
        .setAuthTag(bytes.subarray(-tagBytes))
      const plaintext = Buffer.concat([decipher.update(ciphertext), decipher.final()])
      return JSON.parse(plaintext.toString('utf8'))
    } catch {
      return undefined
    }
  }
}
