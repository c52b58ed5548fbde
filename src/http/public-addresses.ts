/**
 * Opens connections to public addresses only, for URLs that another system chose. The addresses are checked when the
 * connection is opened, because a name that resolved to a public address before may resolve to another one now.
 */
import dns from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import { limits } from '../config/limits.ts'

type Network = readonly [address: string, prefix: number]

/** IANA IPv4 Special-Purpose Address Registry, multicast (RFC 5771) and reserved addresses (RFC 1112 §4). */
const specialNetworks: readonly Network[] = [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12],
  ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15],
  ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 4], ['240.0.0.0', 4],
]

/**
 * Global unicast is the only public part of IPv6 (RFC 4291 §2.4). Everything else is refused: loopback, link-local,
 * unique local, multicast, and IPv4 addresses that are mapped or translated (`::ffff:0:0/96`, `64:ff9b::/96`).
 */
const globalUnicast: readonly Network[] = [['2000::', 3]]

/** Inside global unicast: protocol assignments with Teredo, documentation, 6to4. */
const specialNetworks6: readonly Network[] = [['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['3fff::', 20]]

const special = createBlockList(specialNetworks, specialNetworks6)
const global = createBlockList([], globalUnicast)
const loopback = createBlockList([['127.0.0.0', 8]], [['::1', 128]])

function createBlockList (networks: readonly Network[], networks6: readonly Network[]): BlockList {
  const list = new BlockList()
  for (const [address, prefix] of networks) list.addSubnet(address, prefix, 'ipv4')
  for (const [address, prefix] of networks6) list.addSubnet(address, prefix, 'ipv6')
  return list
}

/** Whether the text is an address that every network routes to the same host. */
export function isPublicAddress (address: string): boolean {
  if (isIP(address) === 4) return !special.check(address, 'ipv4')
  return isIPv6WithoutZone(address) && global.check(address, 'ipv6') && !special.check(address, 'ipv6')
}

function isLoopbackAddress (address: string): boolean {
  if (isIP(address) === 4) return loopback.check(address, 'ipv4')
  return isIPv6WithoutZone(address) && loopback.check(address, 'ipv6')
}

/** An address with a zone, such as `fe80::1%eth0`, is link-local (RFC 4007 §11), and BlockList cannot check it. */
const isIPv6WithoutZone = (address: string) => isIP(address) === 6 && !address.includes('%')

/** The host has an address that is not public. Its message contains neither the host nor the address. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError'

  constructor () {
    super('the host has an address that is not public')
  }
}

/**
 * Creates a connector for undici that refuses a host if any of its addresses is not public.
 * @param allowLoopback whether the addresses of this machine are allowed as well
 */
export function createPublicConnector (allowLoopback: boolean): buildConnector.connector {
  const isAllowed = (address: string) => isPublicAddress(address) || (allowLoopback && isLoopbackAddress(address))
  const lookup: LookupFunction = (hostname, options, callback) => {
    dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? []
      if (error !== null) callback(error, [])
      else if (first === undefined || !addresses.every(({ address }) => isAllowed(address))) {
        callback(new ForbiddenAddressError(), [])
      } else if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
  const timeout = limits.upstream.connectTimeoutMs
  const connector = buildConnector({ lookup, timeout, rejectUnauthorized: true, allowH2: false })
  return (options, callback) => {
    // Node does not look up a literal address.
    const isForbidden = isIP(options.hostname) !== 0 && !isAllowed(options.hostname)
    if (isForbidden) process.nextTick(callback, new ForbiddenAddressError(), null)
    else connector(options, callback)
  }
}
