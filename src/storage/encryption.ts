/**
 * Encrypts what leaves this process for the shared store: answers hold personal data, and a token is a credential. The key follows
 * from the client's secret and its id stands before the text, so that after a change of the secret old texts are told from broken ones.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import type { Secret } from '../config/secret.ts'

const nonceBytes = 12
const tagBytes = 16

/** AES-256-GCM with a random nonce for each text; the key is made from the secret by HKDF (RFC 5869), and anew when the secret changes. */
export class Encryptor {
  readonly #secret: Secret
  #lastSecret = ''
  #derivedKey = Buffer.alloc(0)
  #keyId = ''

  constructor (secret: Secret) {
    this.#secret = secret
  }

  /** Names the key without telling anything of it. */
  get keyId (): string {
    const revealed = this.#secret.reveal()
    if (revealed !== this.#lastSecret) {
      this.#lastSecret = revealed
      this.#derivedKey = Buffer.from(hkdfSync('sha256', revealed, '', 'shared-store', 32))
      this.#keyId = createHash('sha256').update(this.#derivedKey).digest('base64url').slice(0, 8)
    }
    return this.#keyId
  }

  /** A name for what must not be readable as a name. */
  pseudonymize (text: string): string {
    // Asked for first, so that the key is the present secret's.
    const { keyId } = this
    return createHmac('sha256', this.#derivedKey).update(`${keyId} ${text}`).digest('base64url')
  }

  /** @param name of what is stored, which is bound to it: a text under another name does not open */
  encrypt (name: string, value: unknown): string {
    const { keyId } = this
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#derivedKey, nonce).setAAD(Buffer.from(name))
    const ciphertext = Buffer.concat([nonce, cipher.update(JSON.stringify(value), 'utf8'), cipher.final(), cipher.getAuthTag()])
    return `${keyId}.${ciphertext.toString('base64')}`
  }

  /** Nothing when it was closed with another key or is broken. */
  decrypt (name: string, encrypted: string): unknown {
    const [keyId, base64 = ''] = encrypted.split('.')
    if (keyId !== this.keyId) return undefined
    const ciphertext = Buffer.from(base64, 'base64')
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#derivedKey, ciphertext.subarray(0, nonceBytes)).setAAD(Buffer.from(name)).setAuthTag(ciphertext.subarray(-tagBytes))
      return JSON.parse(Buffer.concat([decipher.update(ciphertext.subarray(nonceBytes, -tagBytes)), decipher.final()]).toString('utf8'))
    } catch {
      return undefined
    }
  }
}
