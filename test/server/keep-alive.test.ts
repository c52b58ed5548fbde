// The idle time of a caller's connection is a setting, so that it can be set above that of the gateway.
import t from 'tap'
import { requestHead } from '../helpers/request-head.ts'
import { RawConnection } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'

t.test('an idle connection is closed after KEEP_ALIVE_TIMEOUT_MS, which responses state', async t => {
  const service = await startService(t, { env: { KEEP_ALIVE_TIMEOUT_MS: '2000' } })
  const caller = new RawConnection(service.port)
  caller.write(requestHead('/companies/101/trades', {}, 'GET'))
  t.match(await caller.readToEnd(), /^HTTP\/1\.1 200 OK\r\n[^]*keep-alive: timeout=2\r\n/i)
})
