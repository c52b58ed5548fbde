import t from 'tap'
import { isInNetworkOf } from '../../src/http/no-proxy.ts'

const rows: Array<[string, string, boolean]> = [
  ['10.0.0.0/8', 'https://10.1.2.3', true],
  ['example.com, 10.0.0.0/8', 'https://10.1.2.3:8443', true],
  ['10.0.0.0/8', 'https://11.1.2.3', false],
  ['fd00::/8', 'https://[fd12::1]', true],
  ['fd00::/8', 'https://[fe80::1]', false],
  ['10.0.0.0/33', 'https://10.1.2.3', false],
  ['10.0.0.0/8', 'https://api.procore.com', false],
  ['', 'https://10.1.2.3', false],
]
for (const [noProxy, origin, isIncluded] of rows) {
  t.test(`${origin} is ${isIncluded ? '' : 'not '}in a network of NO_PROXY=${noProxy}`, async t => {
    t.equal(isInNetworkOf(noProxy, origin), isIncluded)
  })
}
