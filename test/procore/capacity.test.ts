// The capacity for requests to Procore: a request that ends frees its place, however it ends.
import t, { type Test } from 'tap'
import { Dispatcher } from 'undici'
import { loadConfig } from '../../src/config/index.ts'
import { limits } from '../../src/config/limits.ts'
import { AccessTokenProvider } from '../../src/procore/auth/token-provider.ts'
import { expectJson } from '../../src/procore/classify.ts'
import { UpstreamSender, type UpstreamCall } from '../../src/procore/send.ts'
import type { Logger } from '../../src/telemetry/logger.ts'

function noop (): void {}
const silentLogger: Logger = { debug: noop, info: noop, warn: noop, error: noop }

const { procore: config } = loadConfig({
  PROCORE_CLIENT_ID: 'demo-client',
  PROCORE_CLIENT_SECRET: 'demo-secret',
  CALLER_AUTH: 'none',
  UPSTREAM_CONNECTIONS: '1',
})
const capacity = config.connections + limits.rateLimit.queueMax

/** No public behaviour makes undici's own dispatchers throw: they pass their errors to the handler. */
class ThrowingDispatcher extends Dispatcher {
  dispatchCount = 0

  override dispatch (): boolean {
    this.dispatchCount++
    throw new TypeError('the dispatcher failed')
  }
}

/** Never answers, so that each request stays in flight. */
class SilentDispatcher extends Dispatcher {
  readonly handlers: Dispatcher.DispatchHandler[] = []

  override dispatch (_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.handlers.push(handler)
    return true
  }
}

const controller: Dispatcher.DispatchController = {
  aborted: false, paused: false, reason: null, abort: noop, pause: noop, resume: noop,
}

async function createSender (t: Test, dispatcher: Dispatcher): Promise<UpstreamSender> {
  const accessTokens = new AccessTokenProvider(async () => {
    return { value: 'access-token', lifetimeMs: 600_000, issuedAtMs: performance.now() }
  }, silentLogger)
  t.teardown(() => accessTokens.stop())
  await accessTokens.get()
  return new UpstreamSender(config, dispatcher, accessTokens, silentLogger)
}

/** Creates a request of a company of its own, so that no rate limit is shared. */
function createCall (companyId: number): UpstreamCall {
  const path = `/rest/v1.0/companies/${companyId}/trades`
  return {
    method: 'GET',
    path,
    companyId,
    body: null,
    isIdempotent: false,
    expectation: expectJson,
    record: { requestId: 'a' },
    signal: new AbortController().signal,
  }
}

t.test('requests that fail because the dispatcher throws do not use up the capacity', async t => {
  const dispatcher = new ThrowingDispatcher()
  const sender = await createSender(t, dispatcher)
  for (let companyId = 1; companyId <= capacity; companyId++) await sender.send(createCall(companyId)).catch(noop)
  t.ok(dispatcher.dispatchCount > 0, 'the dispatcher has thrown')
  t.equal(sender.isAtCapacity, false)
})

t.test('a request that fails because the dispatcher throws leaves no timer', async t => {
  const sender = await createSender(t, new ThrowingDispatcher())
  const countTimers = () => process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const timersBefore = countTimers()
  await sender.send(createCall(1)).catch(noop)
  t.equal(countTimers(), timersBefore)
})

t.test('requests in flight use up the capacity until they end', async t => {
  const dispatcher = new SilentDispatcher()
  const sender = await createSender(t, dispatcher)
  const pending = Array.from({ length: capacity }, (_, index) => sender.send(createCall(index + 1)))
  await new Promise(setImmediate)
  t.equal(sender.isAtCapacity, true)
  t.equal(dispatcher.handlers.length, capacity)
  for (const handler of dispatcher.handlers) handler.onResponseError?.(controller, new Error('reset'))
  t.equal((await Promise.all(pending)).length, capacity)
  t.equal(sender.isAtCapacity, false)
})
