import { isUtf8 } from 'node:buffer'

/** Why bytes are not a text: another encoding, or NUL characters. */
export type TextFault = 'utf-16' | 'encoding' | 'nul'

const noBytes: Buffer = Buffer.alloc(0)

/** Finds the first byte of a file that is not UTF-8, whichever chunks the file comes in. */
export class TextCheck {
  /** The start of a character whose other bytes are in the next chunk. */
  #incomplete = noBytes
  /** Bytes before the current chunk. */
  #length = 0

  /** Returns the bytes before the fault that are whole characters. Must not be called again after a fault. */
  write (chunk: Buffer): { text: Buffer, fault: TextFault | undefined } {
    const bytes = this.#incomplete.length === 0 ? chunk : Buffer.concat([this.#incomplete, chunk])
    const whole = bytes.subarray(0, bytes.length - incompleteLength(bytes))
    const valid = isUtf8(whole) ? whole : whole.subarray(0, findInvalid(whole))
    const nul = valid.indexOf(0)
    const text = nul < 0 ? valid : valid.subarray(0, nul)
    const fault = text.length === whole.length ? undefined : toFault(whole[text.length], this.#length + text.length)
    this.#length += text.length
    // Copied, so that the chunk does not stay in memory.
    this.#incomplete = Buffer.from(bytes.subarray(whole.length))
    return { text, fault }
  }

  /** Must be called once, after the last chunk. */
  end (): TextFault | undefined {
    return this.#incomplete.length > 0 ? 'encoding' : undefined
  }
}

/** Returns how many bytes a character has that starts with the byte (RFC 3629 §3); 1 for a byte that starts none. */
const characterLength = (byte: number) => byte < 0xc2 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 1

/** Returns how many bytes at the end may be the start of a longer character. */
function incompleteLength (bytes: Buffer): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const byte = bytes[bytes.length - length] ?? 0
    const isContinuation = byte >= 0x80 && byte < 0xc0
    if (!isContinuation) return characterLength(byte) > length ? length : 0
  }
  return 0
}

/** Returns the position of the first invalid character, in bytes that have one. */
function findInvalid (bytes: Buffer): number {
  let position = 0
  while (position < bytes.length) {
    const end = position + characterLength(bytes[position] ?? 0)
    if (!isUtf8(bytes.subarray(position, end))) return position
    position = end
  }
  return position
}

/** UTF-16 starts with a byte order mark, which is not UTF-8, or with an ASCII letter that has a NUL beside it. */
function toFault (byte: number | undefined, position: number): TextFault {
  if (position === 0 && (byte === 0xff || byte === 0xfe)) return 'utf-16'
  if (byte === 0) return position < 2 ? 'utf-16' : 'nul'
  return 'encoding'
}
