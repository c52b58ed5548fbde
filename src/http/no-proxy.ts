/** Networks in `NO_PROXY`. undici itself matches the names, addresses, ports and `*` in it. */
import { BlockList, isIP } from 'node:net'

/** Whether the host of an origin is an address in one of the networks, as `10.0.0.0/8`. */
export function isInNetworkOf (noProxy: string, origin: string): boolean {
  const address = new URL(origin).hostname.replace(/^\[(.+)\]$/, '$1')
  if (isIP(address) === 0) return false
  const networks = new BlockList()
  for (const entry of noProxy.split(/[,\s]+/)) {
    const [network = '', prefix = ''] = entry.split('/')
    const version = isIP(network)
    if (version === 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > (version === 4 ? 32 : 128)) continue
    networks.addSubnet(network, Number(prefix), version === 4 ? 'ipv4' : 'ipv6')
  }
  return networks.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
}
