/** Cleans `X-Forwarded-For` of trusted proxies, so that one caller has one address. */
import { isIP } from 'node:net'

/**
 * Returns the addresses of the header without ports: some load balancers write `192.0.2.1:4711`, and each connection
 * would count as another caller. An entry that is not an address, such as `unknown`, is left out. Returns undefined if
 * nothing is left.
 */
export function normalizeForwardedFor (header: string): string | undefined {
  const addresses = header.split(',').map(entry => parseAddress(entry.trim())).filter(address => address !== undefined)
  return addresses.length === 0 ? undefined : addresses.join(', ')
}

function parseAddress (entry: string): string | undefined {
  const [, bracketed] = /^\[(.*)\](?::\d{1,5})?$/.exec(entry) ?? []
  const [, withPort] = /^([\d.]+):\d{1,5}$/.exec(entry) ?? []
  const address = bracketed ?? withPort ?? entry
  return isIP(address) === 0 ? undefined : address
}
