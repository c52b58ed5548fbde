// One caller must not take what belongs to all: requests in flight, bodies that are read, bytes in memory.
import { createServer, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { png } from '../helpers/images.ts'
import { bearerHeader, startIssuer } from '../helpers/issuer.ts'
import { listen } from '../helpers/listen.ts'
import { avatarPart, createUserFormHead, createUserHead, get } from '../helpers/request-builders.ts'
import { jane, janeParts, multipartBody, multipartPart, RawConnection, sendJson } from '../helpers/requests.ts'
import { startService, type ServiceOptions } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

/** Starts a service with two callers, Anna and Ben. */
async function startWithCallers (t: Test, { env, ...options }: ServiceOptions = {}) {
  const issuer = await startIssuer(t)
  const service = await startService(t, { ...options, env: { ...issuer.env, CALLER_RATE_PER_MINUTE: '0', ...env } })
  const anna = bearerHeader(await issuer.sign({ sub: 'anna' }))
  const ben = bearerHeader(await issuer.sign({ sub: 'ben' }))
  return { ...service, anna, ben }
}

/** Sends the head of a JSON create and the start of its body. */
function startJsonBody (port: number, { authorization }: { authorization: string }, start: string): RawConnection {
  const contentHeaders = ['content-type: application/json', 'content-length: 200000']
  const head = createUserHead(`authorization: ${authorization}`, ...contentHeaders)
  return new RawConnection(port).write(head).write(start)
}

const countStatus = (connections: readonly RawConnection[], status: number) =>
  connections.filter(({ received }) => received.startsWith(`HTTP/1.1 ${status} `)).length

const closeAll = (connections: readonly RawConnection[]) => {
  for (const { socket } of connections) socket.destroy()
}

t.test('a caller that sends 40 bodies slowly is refused from the 33rd on, and another caller is served', async t => {
  const { port, usersUrl, anna, ben } = await startWithCallers(t)
  const bodies = Array.from({ length: 40 }, () => startJsonBody(port, anna, '{"user":'.padEnd(1000)))
  await waitUntil(() => countStatus(bodies, 429) === 8)
  t.match(bodies.find(({ received }) => received !== '')?.received, /retry-after: 1\r\n[^]*"code":"too_many_requests"/)
  t.equal((await sendJson(usersUrl, { user: jane }, ben)).status, 201)
  const complete = await sendJson(usersUrl.replace('/101/', '/102/'), { user: jane }, anna)
  t.equal(complete.status, 201, 'a body that arrives with its head is accepted')
  closeAll(bodies)
  await waitUntil(async () => {
    const next = startJsonBody(port, anna, '{}'.padEnd(200_000))
    const response = await next.readUntil('\r\n\r\n{')
    next.socket.destroy()
    return response.startsWith('HTTP/1.1 422 ')
  })
})

t.test('a caller whose unfinished bodies exceed its share is refused, and another caller is served', async t => {
  const { port, usersUrl, anna, ben } = await startWithCallers(t, {
    adjustConfig: config => ({
      ...config, usage: { ...config.usage, perCaller: { ...config.usage.perCaller, bytes: 500_000 } },
    }),
  })
  const bodies = Array.from({ length: 8 }, () => startJsonBody(port, anna, '{"user":'.padEnd(120_000)))
  await waitUntil(() => countStatus(bodies, 429) >= 4)
  t.equal((await sendJson(usersUrl, { user: jane }, ben)).status, 201)
  closeAll(bodies)
})

t.test('a body larger than an eighth of the memory is within the share of its caller', async t => {
  const { usersUrl, anna } = await startWithCallers(t, { env: { JSON_MAX_BYTES: '40000000' } })
  const body = JSON.stringify({ user: jane }).padEnd(40_000_000)
  t.equal((await sendJson(usersUrl, body, anna)).status, 201)
})

t.test('texts of a form that is already invalid count as bytes in memory', async t => {
  const { port } = await startService(t, {
    adjustConfig: config => ({
      ...config, usage: { ...config.usage, total: { ...config.usage.total, bytes: 1_000_000 } },
    }),
  })
  const text = { name: 'user[job_title]', data: 'x'.repeat(60_000) }
  const forms = Array.from({ length: 30 }, () => {
    const start = [multipartPart({ name: 'user[nickname]', data: '' }), multipartPart(text).subarray(0, -20)]
    return new RawConnection(port).write(createUserFormHead(200_000)).write(Buffer.concat(start))
  })
  await waitUntil(() => countStatus(forms, 503) >= 10)
  closeAll(forms)
})

t.test('a form that is invalid does not keep the texts that its validation does not need', async t => {
  const { port } = await startService(t, {
    adjustConfig: config => ({
      ...config, usage: { ...config.usage, total: { ...config.usage.total, bytes: 200_000 } },
    }),
  })
  const names = ['job_title', 'address', 'city', 'zip', 'first_name', 'employee_id', 'notes', 'initials']
  const texts = names.map(name => ({ name: `user[${name}]`, data: 'x'.repeat(60_000) }))
  const body = multipartBody([
    { name: 'user[nickname]', data: '' },
    ...texts,
    { name: 'user[country_code]', data: 'US' },
    { name: 'user[state_code]', data: 'BY' },
    ...janeParts,
  ])
  const form = new RawConnection(port).write(createUserFormHead(body.length))
  for (let start = 0; start < body.length; start += 50_000) {
    await new Promise(resolve => form.socket.write(body.subarray(start, start + 50_000), resolve))
  }
  const response = await form.readUntil('\r\n\r\n{')
  t.match(response, /^HTTP\/1\.1 422 [^]*\/user\/state_code/, 'the state is still compared with the country')
  t.notMatch(response, /"rule":"required"/, 'fields that were read are not reported as missing')
  form.socket.destroy()
})

t.test('requests of one caller beyond CALLER_CONCURRENT_REQUESTS are refused until one of them ends', async t => {
  const pending: ServerResponse[] = []
  const procore = createServer((request, response) => request.resume().on('end', () => {
    const isHeld = request.url?.includes('/101/') === true
    if (isHeld) pending.push(response)
    else response.writeHead(201, { 'content-type': 'application/json' }).end('{"id":1}')
  }))
  const { usersUrl, anna, ben } = await startWithCallers(t, {
    env: { CALLER_CONCURRENT_REQUESTS: '3', PROCORE_API_URL: `http://127.0.0.1:${await listen(t, procore)}` },
  })
  const held = Array.from({ length: 3 }, () => sendJson(usersUrl, { user: jane }, anna))
  await waitUntil(() => pending.length === 3)
  const otherUrl = usersUrl.replace('/101/', '/102/')
  t.match(await sendJson(otherUrl, { user: jane }, anna), {
    status: 429, json: { code: 'too_many_requests' }, headers: { 'retry-after': '1' },
  })
  t.equal((await sendJson(otherUrl, { user: jane }, ben)).status, 201)
  for (const response of pending) response.writeHead(201, { 'content-type': 'application/json' }).end('{"id":1}')
  t.ok((await Promise.all(held)).every(({ status }) => status === 201))
  await waitUntil(async () => (await sendJson(otherUrl, { user: jane }, anna)).status === 201)
})

t.test('lists that Procore still sends count as requests of a caller that has left', async t => {
  const pending: ServerResponse[] = []
  const procore = createServer((_request, response) => { pending.push(response) })
  const { url, port, anna, ben } = await startWithCallers(t, {
    env: { CALLER_CONCURRENT_REQUESTS: '2', PROCORE_API_URL: `http://127.0.0.1:${await listen(t, procore)}` },
  })
  const callers = [1, 2].map(page => new RawConnection(port).write(
    `GET /companies/101/vendors?page=${page} HTTP/1.1\r\nhost: x\r\nauthorization: ${anna.authorization}\r\n\r\n`
  ))
  await waitUntil(() => pending.length === 2)
  closeAll(callers)
  const otherUrl = `${url}/companies/101/vendors?page=3`
  t.equal((await get(otherUrl, anna)).status, 429)
  const served = get(otherUrl, ben)
  await waitUntil(() => pending.length === 3)
  for (const response of pending) response.writeHead(200, { 'content-type': 'application/json' }).end('[]')
  t.equal((await served).status, 200)
  await waitUntil(async () => (await get(otherUrl, anna)).status === 200)
})

t.test('a form that streams is limited as an upload, not as a body that is read', async t => {
  const { port, emulator, anna } = await startWithCallers(t, {
    env: { CALLER_CONCURRENT_UPLOADS: '40', CALLER_CONCURRENT_REQUESTS: '100' },
  })
  const body = multipartBody([avatarPart(png(600_000)), ...janeParts])
  const uploads = Array.from({ length: 36 }, () => {
    const head = createUserFormHead(body.length, `authorization: ${anna.authorization}`)
    return new RawConnection(port).write(head).write(body.subarray(0, 400_000))
  })
  await waitUntil(() => emulator.apiRequests.length === 36)
  t.equal(countStatus(uploads, 429), 0)
  closeAll(uploads)
})
