/** Builds Exif data (CIPA DC-008, TIFF 6.0 §2) as cameras write them. */

/** Text in all generated metadata. An image that contains it still has metadata. */
export const privateText = 'private-place-4711'

export type ByteOrder = 'little-endian' | 'big-endian'

/** A field of a directory. `bytes` are stored elsewhere in the file, and the field has their offset. */
type Field =
  | { tag: number, kind: 'ascii', text: string }
  | { tag: number, kind: 'byte' | 'short' | 'long' | 'rational', numbers: number[] }
  | { tag: number, kind: 'undefined', data: Buffer }
  | { tag: number, kind: 'bytes', data: Buffer }
  | { tag: number, kind: 'directory', fields: Field[] }

const typeCodes = { byte: 1, ascii: 2, short: 3, long: 4, rational: 5, undefined: 7, bytes: 4, directory: 4 }

class TiffWriter {
  readonly #isLittleEndian: boolean

  constructor (byteOrder: ByteOrder) {
    this.#isLittleEndian = byteOrder === 'little-endian'
  }

  number (value: number, bytes: number): Buffer {
    const buffer = Buffer.alloc(bytes)
    if (this.#isLittleEndian) buffer.writeUIntLE(value, 0, bytes)
    else buffer.writeUIntBE(value, 0, bytes)
    return buffer
  }

  /** Returns a header and the directories, of which each has the offset of the next one. */
  file (directories: readonly Field[][]): Buffer {
    const parts = [Buffer.from(this.#isLittleEndian ? 'II' : 'MM'), this.number(42, 2), this.number(8, 4)]
    let start = 8
    for (const [index, fields] of directories.entries()) {
      const directory = this.directory(fields, start)
      start += directory.length
      if (index + 1 < directories.length) this.number(start, 4).copy(directory, 2 + fields.length * 12)
      parts.push(directory)
    }
    return Buffer.concat(parts)
  }

  /** @param start the offset of the directory in its file */
  directory (fields: readonly Field[], start: number): Buffer {
    const entries: Buffer[] = [this.number(fields.length, 2)]
    const values: Buffer[] = []
    let end = start + 2 + fields.length * 12 + 4
    for (const field of fields.toSorted((a, b) => a.tag - b.tag)) {
      const { data, count } = this.#encode(field, end)
      entries.push(this.number(field.tag, 2), this.number(typeCodes[field.kind], 2), this.number(count, 4))
      if (data.length <= 4 && field.kind !== 'bytes') {
        entries.push(Buffer.concat([data, Buffer.alloc(4 - data.length)]))
      } else {
        entries.push(this.number(end, 4))
        const padded = data.length % 2 === 0 ? data : Buffer.concat([data, Buffer.alloc(1)])
        values.push(padded)
        end += padded.length
      }
    }
    return Buffer.concat([...entries, Buffer.alloc(4), ...values])
  }

  #encode (field: Field, start: number): { data: Buffer, count: number } {
    if (field.kind === 'directory') return { data: this.directory(field.fields, start), count: 1 }
    if (field.kind === 'bytes') return { data: field.data, count: 1 }
    if (field.kind === 'undefined') return { data: field.data, count: field.data.length }
    if (field.kind === 'ascii') {
      const data = Buffer.from(`${field.text}\0`)
      return { data, count: data.length }
    }
    const bytes = { byte: 1, short: 2, long: 4, rational: 4 }[field.kind]
    const numbers = field.kind === 'rational' ? field.numbers.flatMap(number => [number * 100, 100]) : field.numbers
    return { data: Buffer.concat(numbers.map(number => this.number(number, bytes))), count: field.numbers.length }
  }
}

const gpsFields: Field[] = [
  { tag: 0, kind: 'byte', numbers: [2, 3, 0, 0] },
  { tag: 1, kind: 'ascii', text: 'N' },
  { tag: 2, kind: 'rational', numbers: [34, 24, 51.23] },
  { tag: 3, kind: 'ascii', text: 'W' },
  { tag: 4, kind: 'rational', numbers: [119, 30, 12.5] },
  { tag: 6, kind: 'rational', numbers: [17] },
  { tag: 29, kind: 'ascii', text: '2026:05:04' },
]

/** The manufacturer's own directory, as Apple writes it: with a signature, from which its offsets count. */
function appleMakerNote (): Buffer {
  const signature = Buffer.from('Apple iOS\0\0\x01MM', 'latin1')
  const directory = new TiffWriter('big-endian').directory([{ tag: 0x11, kind: 'ascii', text: privateText }], 14)
  return Buffer.concat([signature, directory])
}

export interface ExifOptions {
  orientation?: number
  byteOrder?: ByteOrder
  /** A JPEG for the second directory. */
  thumbnail?: Buffer
}

/** Returns Exif data with place, time, camera, and the manufacturer's note. */
export function exifData ({ orientation, byteOrder = 'big-endian', thumbnail }: ExifOptions = {}): Buffer {
  const photo: Field[] = [
    { tag: 0x9003, kind: 'ascii', text: '2026:05:04 10:11:12' },
    { tag: 0x927c, kind: 'undefined', data: appleMakerNote() },
    { tag: 0x9286, kind: 'undefined', data: Buffer.from(`ASCII\0\0\0${privateText}`) },
    { tag: 0xa434, kind: 'ascii', text: `${privateText} back camera 4.25mm f/1.8` },
  ]
  const main: Field[] = [
    { tag: 0x010e, kind: 'ascii', text: privateText },
    { tag: 0x010f, kind: 'ascii', text: 'Apple' },
    { tag: 0x0110, kind: 'ascii', text: 'iPhone 17' },
    { tag: 0x011a, kind: 'rational', numbers: [72] },
    { tag: 0x0131, kind: 'ascii', text: '26.1' },
    { tag: 0x0132, kind: 'ascii', text: '2026:05:04 10:11:12' },
    { tag: 0x8298, kind: 'ascii', text: privateText },
    { tag: 0x8769, kind: 'directory', fields: photo },
    { tag: 0x8825, kind: 'directory', fields: gpsFields },
  ]
  if (orientation !== undefined) main.push({ tag: 0x0112, kind: 'short', numbers: [orientation] })
  const preview: Field[] = thumbnail === undefined
    ? []
    : [
        { tag: 0x0103, kind: 'short', numbers: [6] },
        { tag: 0x0201, kind: 'bytes', data: thumbnail },
        { tag: 0x0202, kind: 'long', numbers: [thumbnail.length] },
      ]
  return new TiffWriter(byteOrder).file(preview.length > 0 ? [main, preview] : [main])
}

/** Returns XMP with a place and the picture's author, as a packet. @param attributes more of the description */
export function xmpPacket (attributes = ''): string {
  return `<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
 photoshop:City="${privateText}" exif:GPSLatitude="34,24.85N" exif:GPSLongitude="119,30.2W" ${attributes}/>
</rdf:RDF></x:xmpmeta><?xpacket end="w"?>`
}

/** Returns IPTC data (IIM 2:80 author, 2:90 city, 2:120 caption) in the resource block that Photoshop writes. */
export function photoshopResources (): Buffer {
  const records = [80, 90, 120].map(dataset => {
    return Buffer.concat([Buffer.of(0x1c, 2, dataset, 0, privateText.length), Buffer.from(privateText)])
  })
  return Buffer.concat([Buffer.from('Photoshop 3.0\0'), resourceBlock(0x0404, Buffer.concat(records))])
}

function resourceBlock (id: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12)
  head.write('8BIM')
  head.writeUInt16BE(id, 4)
  head.writeUInt32BE(data.length, 8)
  return Buffer.concat([head, data, Buffer.alloc(data.length % 2)])
}

/** Returns the index of a multi-picture file (CIPA DC-007 §5.2): the main picture and one more after its end. */
export function multiPictureIndex (mainBytes: number, secondBytes: number, secondOffset: number): Buffer {
  const writer = new TiffWriter('big-endian')
  const entry = (attribute: number, bytes: number, offset: number) =>
    Buffer.concat([writer.number(attribute, 4), writer.number(bytes, 4), writer.number(offset, 4), Buffer.alloc(4)])
  return Buffer.concat([Buffer.from('MPF\0'), writer.file([[
    { tag: 0xb000, kind: 'undefined', data: Buffer.from('0100') },
    { tag: 0xb001, kind: 'long', numbers: [2] },
    {
      tag: 0xb002,
      kind: 'undefined',
      data: Buffer.concat([entry(0x030000, mainBytes, 0), entry(0x010001, secondBytes, secondOffset)]),
    },
  ]])])
}
