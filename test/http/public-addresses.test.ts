// Which addresses are public, and that a connection to any other one is refused when it is opened.
import dns from 'node:dns'
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { buildConnector } from 'undici'
import { createPublicConnector, ForbiddenAddressError, isPublicAddress } from '../../src/http/public-addresses.ts'
import { listen } from '../helpers/listen.ts'

const publicAddresses = [
  '8.8.8.8', '1.1.1.1', '52.216.0.1', '100.63.255.255', '100.128.0.1', '172.15.255.255', '172.32.0.1', '192.0.1.1',
  '192.167.255.255', '198.17.255.255', '198.20.0.1', '223.255.255.255', '2606:4700::1111', '2a05:d018::1',
  '2001:4860:4860::8888',
]

const forbiddenAddresses: Array<[string, string]> = [
  ['0.0.0.0', 'unspecified'],
  ['0.1.2.3', 'this network'],
  ['10.0.0.1', 'private'],
  ['100.64.0.1', 'shared by carriers'],
  ['100.127.255.255', 'shared by carriers'],
  ['127.0.0.1', 'loopback'],
  ['127.255.255.254', 'loopback'],
  ['169.254.169.254', 'link-local'],
  ['172.16.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['192.0.0.8', 'a protocol assignment'],
  ['192.0.2.1', 'documentation'],
  ['192.88.99.1', 'a 6to4 relay'],
  ['192.168.0.1', 'private'],
  ['198.18.0.1', 'benchmarking'],
  ['198.51.100.1', 'documentation'],
  ['203.0.113.1', 'documentation'],
  ['224.0.0.1', 'multicast'],
  ['240.0.0.1', 'reserved'],
  ['255.255.255.255', 'broadcast'],
  ['::', 'unspecified'],
  ['::1', 'loopback'],
  ['::127.0.0.1', 'IPv4-compatible'],
  ['::ffff:127.0.0.1', 'IPv4-mapped'],
  ['::ffff:7f00:1', 'IPv4-mapped'],
  ['::ffff:8.8.8.8', 'IPv4-mapped'],
  ['64:ff9b::7f00:1', 'NAT64'],
  ['64:ff9b::808:808', 'NAT64'],
  ['64:ff9b:1::1', 'local NAT64'],
  ['100::1', 'discard-only'],
  ['2001::1', 'Teredo'],
  ['2001:20::1', 'ORCHID'],
  ['2001:db8::1', 'documentation'],
  ['2002:7f00:1::', '6to4'],
  ['3fff::1', 'documentation'],
  ['5f00::1', 'segment routing'],
  ['fc00::1', 'unique local'],
  ['fd12:3456::1', 'unique local'],
  ['fe80::1', 'link-local'],
  ['fe80::1%lo', 'link-local with a zone'],
  ['2606:4700::1%lo', 'an address with a zone'],
  ['fec0::1', 'site-local'],
  ['ff02::1', 'multicast'],
  ['localhost', 'not an address'],
  ['', 'not an address'],
]

for (const address of publicAddresses) {
  t.test(`${address} is public`, async t => { t.equal(isPublicAddress(address), true) })
}

for (const [address, kind] of forbiddenAddresses) {
  t.test(`"${address}" is not public: ${kind}`, async t => { t.equal(isPublicAddress(address), false) })
}

type LookupCallback = (error: NodeJS.ErrnoException | null, addresses?: dns.LookupAddress[]) => void

function toLookupAddress (address: string): dns.LookupAddress {
  return { address, family: address.includes(':') ? 6 : 4 }
}

/** Connects to a server on this machine, under a name that resolves to these addresses. */
async function connectTo (
  t: Test, hostname: string, resolved: string[] | NodeJS.ErrnoException, allowLoopback = false
) {
  const server = createServer(socket => socket.end())
  let connections = 0
  server.on('connection', () => { connections++ })
  const port = await listen(t, server)
  t.intercept(dns, 'lookup', {
    value: (_hostname: string, _options: dns.LookupAllOptions, callback: LookupCallback) => {
      if (resolved instanceof Error) process.nextTick(callback, resolved)
      else process.nextTick(callback, null, resolved.map(toLookupAddress))
    },
  })
  const options: buildConnector.Options = { hostname, host: `${hostname}:${port}`, protocol: 'http:', port: `${port}` }
  const connector = createPublicConnector(allowLoopback)
  const result = await new Promise<Error | Socket>(resolve => {
    connector(options, (error, socket) => { resolve(error ?? socket) })
  })
  if (!(result instanceof Error)) result.destroy()
  return { result, connections }
}

const refusals: Array<[string, string, string[]]> = [
  ['a loopback address', '127.0.0.1', []],
  ['an IPv6 loopback address', '::1', []],
  ['a name of a loopback address', 'files.test', ['127.0.0.1']],
  ['localhost', 'localhost', ['::1', '127.0.0.1']],
  ['a name of a private address', 'files.test', ['10.0.0.1']],
  ['a name of a public and then a loopback address', 'files.test', ['8.8.8.8', '127.0.0.1']],
  ['a name of a loopback and then a public address', 'files.test', ['127.0.0.1', '8.8.8.8']],
  ['a name of a mapped loopback address', 'files.test', ['::ffff:127.0.0.1']],
  ['a name without addresses', 'files.test', []],
]

for (const [description, hostname, addresses] of refusals) {
  t.test(`${description} is refused without a connection`, async t => {
    const { result, connections } = await connectTo(t, hostname, addresses)
    t.type(result, ForbiddenAddressError)
    t.equal(connections, 0)
  })
}

t.test('where loopback is allowed', async t => {
  await t.test('a name of this machine is connected', async t => {
    const { result } = await connectTo(t, 'localhost', ['127.0.0.1'], true)
    t.notOk(result instanceof Error)
  })
  await t.test('an address of this machine is connected', async t => {
    const { result } = await connectTo(t, '127.0.0.1', [], true)
    t.notOk(result instanceof Error)
  })
  await t.test('a name of a private address is refused', async t => {
    t.type((await connectTo(t, 'files.test', ['10.0.0.1'], true)).result, ForbiddenAddressError)
  })
  await t.test('a link-local address is refused', async t => {
    t.type((await connectTo(t, '169.254.169.254', [], true)).result, ForbiddenAddressError)
  })
})

t.test('a name that does not resolve fails with the error of the resolver', async t => {
  const notFound = Object.assign(new Error('getaddrinfo ENOTFOUND files.test'), { code: 'ENOTFOUND' })
  t.equal((await connectTo(t, 'files.test', notFound)).result, notFound)
})
