/** A DNS server with one name, whose addresses a test changes. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Test } from 'tap'

export interface DnsServer {
  port: number
  /** Resolves when the new addresses were sent to a program that asked for them. */
  setAddresses (addresses: readonly string[]): Promise<void>
}

const headerBytes = 12
const typeA = 1

/** @param initialAddresses IPv4 addresses, the answer to every question for an A record */
export async function startDnsServer (t: Test, initialAddresses: readonly string[]): Promise<DnsServer> {
  let addresses = initialAddresses
  let answered = Promise.withResolvers<void>()
  const socket = createSocket('udp4')
  socket.on('message', (query, { port, address }) => {
    const questionEnd = query.indexOf(0, headerBytes) + 5
    const question = query.subarray(headerBytes, questionEnd)
    const isA = question.readUInt16BE(question.length - 4) === typeA
    socket.send(createResponse(query.readUInt16BE(0), question, isA ? addresses : []), port, address)
    if (isA) answered.resolve()
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => { socket.close() })
  return {
    port: socket.address().port,
    setAddresses: newAddresses => {
      addresses = newAddresses
      answered = Promise.withResolvers()
      return answered.promise
    },
  }
}

/** Returns a response with one record for each address, which may be cached for a second (RFC 1035 §4.1). */
function createResponse (id: number, question: Buffer, addresses: readonly string[]): Buffer {
  const header = Buffer.alloc(headerBytes)
  const isAuthoritativeResponse = 0x8580
  for (const [index, value] of [id, isAuthoritativeResponse, 1, addresses.length].entries()) {
    header.writeUInt16BE(value, index * 2)
  }
  const nameOfQuestion = [0xc0, headerBytes]
  const records = addresses.map(address => Buffer.from([
    ...nameOfQuestion, 0, typeA, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.').map(Number),
  ]))
  return Buffer.concat([header, question, ...records])
}
