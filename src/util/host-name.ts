import { isIP, isIPv6 } from 'node:net'

/** Returns the name or address of a Host value in lower case, without the port and the dot of an absolute name. */
export function toHostName (host: string): string {
  if (isIPv6(host)) return host.toLowerCase()
  return host.toLowerCase().replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
}

/** Whether the host name of a URL is a name or an address of this machine. */
export function isLoopbackHost (hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || (isIP(hostname) === 4 && hostname.startsWith('127.'))
}
