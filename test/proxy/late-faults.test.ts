// A fault of a form that shows only after streaming has begun is reported everywhere as an invalid request is: one
// status and code in response, access log, metrics and trace, and no line in the audit trail.
import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { ProblemCode } from '../../src/server/problem.ts'
import { jpeg, png } from '../helpers/images.ts'
import { startOtlpReceiver, type OtlpReceiver } from '../helpers/otlp-receiver.ts'
import { parseSamples } from '../helpers/prometheus-samples.ts'
import { avatarPart, createUserFormHead } from '../helpers/request-builders.ts'
import {
  boundary, jane, janeParts, multipartBody, multipartPart, RawConnection, send, sendJson, sendMultipart,
  type MultipartPart,
} from '../helpers/requests.ts'
import { startService, type Service } from '../helpers/service.ts'
import { waitUntil } from '../helpers/wait-until.ts'

interface LateFault {
  /** Completes the sentence "a form with …". */
  name: string
  /** The beginning of the form; more than FORM_BUFFER_BYTES, so that it is streamed. */
  start: Buffer
  /** Sent once Procore receives the beginning. `stalls`: nothing more is sent, and the request does not end. */
  rest: Buffer | 'stalls'
  status: number
  code: ProblemCode
  env?: Record<string, string>
}

const field = (name: string, data: string): MultipartPart => ({ name: `user[${name}]`, data })
const lastName = field('last_name', 'Doe')
const emailAddress = field('email_address', jane.email_address)
const avatar = multipartPart(avatarPart(png(600_000)))
const validRest = multipartBody(janeParts)
const rawPart = (rawHeaders: string, data = '') => multipartPart({ rawHeaders, data })

/** A JPEG that declares 60,000 × 60,000 pixels behind so many bytes of comments. */
function hugeJpeg (minBytes: number): Buffer {
  const image = jpeg(minBytes)
  const frame = image.lastIndexOf(Buffer.from([0xff, 0xc2]))
  image.writeUInt16BE(60_000, frame + 5)
  image.writeUInt16BE(60_000, frame + 7)
  return image
}

const hugeAvatar = multipartPart(avatarPart(hugeJpeg(900_000)))
const largeAvatar = multipartPart(avatarPart(png(2_000_000)))
const longText = Buffer.concat([field('notes', 'x'.repeat(5000)), lastName].map(part => multipartPart(part)))

const invalidFields: Array<{ name: string, parts: MultipartPart[] }> = [
  { name: 'an invalid e-mail address', parts: [lastName, field('email_address', 'no')] },
  { name: 'an unknown field', parts: [...janeParts, field('nickname', 'x')] },
  { name: 'a repeated field', parts: [...janeParts, lastName] },
  { name: 'a missing required field', parts: [emailAddress] },
  { name: 'no field beside the avatar', parts: [] },
  { name: 'a text that is too long', parts: [...janeParts, field('notes', 'x'.repeat(65_537))] },
  { name: 'an integer that is no number', parts: [...janeParts, field('vendor_id', 'x')] },
  { name: 'a NUL character', parts: [...janeParts, field('city', 'a\0')] },
  { name: 'a missing dependency', parts: [...janeParts, field('bid_contact', '1')] },
  {
    name: 'a state of another country',
    parts: [...janeParts, field('state_code', 'NSW'), field('country_code', 'US')],
  },
  { name: 'a file in a text field', parts: [...janeParts, { name: 'user[zip]', filename: 'zip.txt', data: '93013' }] },
  { name: 'a second avatar', parts: [...janeParts, avatarPart(png())] },
]

const malformedRests: Array<{ name: string, rest: Buffer }> = [
  { name: 'no closing delimiter', rest: Buffer.concat(janeParts.map(part => multipartPart(part))) },
  { name: 'a line that is no header in a part', rest: Buffer.concat([rawPart('garbage'), validRest]) },
  { name: 'a part without Content-Disposition', rest: Buffer.concat([rawPart('Content-Type: text/plain'), validRest]) },
  {
    name: 'a text that is not UTF-8',
    rest: multipartBody([lastName, { name: 'user[city]', data: Buffer.of(0xff) }, emailAddress]),
  },
  { name: 'text behind a delimiter', rest: Buffer.concat([Buffer.from(`--${boundary}garbage\r\n`), validRest]) },
  { name: 'a part behind its closing delimiter', rest: Buffer.concat([validRest, validRest]) },
  { name: 'too many parts', rest: multipartBody([...janeParts, ...Array.from({ length: 64 }, () => lastName)]) },
]

const lateFaults: LateFault[] = [
  ...invalidFields.map(({ name, parts }): LateFault => {
    return { name, start: avatar, rest: multipartBody(parts), status: 422, code: 'validation_failed' }
  }),
  {
    name: 'an invalid field and more bytes than any form may have',
    start: avatar,
    rest: multipartBody([field('nickname', 'x'.repeat(6_500_000))]),
    status: 422,
    code: 'validation_failed',
    env: { AVATAR_MAX_BYTES: '1000000' },
  },
  ...malformedRests.map(({ name, rest }): LateFault => {
    return { name, start: avatar, rest, status: 400, code: 'malformed_form' }
  }),
  {
    name: 'an end within the avatar',
    start: avatar.subarray(0, 500_000),
    rest: Buffer.alloc(0),
    status: 400,
    code: 'malformed_form',
  },
  {
    name: 'more bytes of the avatar than AVATAR_MAX_BYTES',
    start: largeAvatar.subarray(0, 500_000),
    rest: Buffer.concat([largeAvatar.subarray(500_000), validRest]),
    status: 413,
    code: 'avatar_too_large',
    env: { AVATAR_MAX_BYTES: '1000000' },
  },
  {
    name: 'too many pixels that the avatar declares late',
    start: hugeAvatar.subarray(0, 500_000),
    rest: Buffer.concat([hugeAvatar.subarray(500_000), validRest]),
    status: 413,
    code: 'avatar_too_large',
  },
  {
    name: 'an avatar of an unsupported type behind a long text',
    start: longText,
    rest: multipartBody([avatarPart('this is not an image'), emailAddress]),
    status: 415,
    code: 'avatar_type',
    env: { FORM_BUFFER_BYTES: '1000' },
  },
  {
    name: 'a text in UTF-16',
    start: avatar,
    rest: multipartBody([...janeParts, { name: 'user[city]', type: 'text/plain; charset=utf-16', data: 'x' }]),
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    name: 'a pause beyond UPLOAD_IDLE_TIMEOUT_MS',
    start: avatar,
    rest: 'stalls',
    status: 408,
    code: 'request_timeout',
    env: { UPLOAD_IDLE_TIMEOUT_MS: '200' },
  },
  {
    name: 'a duration beyond UPLOAD_TIMEOUT_MS',
    start: avatar,
    rest: 'stalls',
    status: 408,
    code: 'request_timeout',
    env: { UPLOAD_TIMEOUT_MS: '400' },
  },
]

const requestId = 'late-fault'
const headers = { 'x-request-id': requestId, 'idempotency-key': 'late-fault-key' }
const route = '/companies/:company_id/users'

/** The log line, the metrics and the spans of the one request that had a late fault. */
interface Trail {
  line: Record<string, unknown> | undefined
  /** Counts of `procore_bff_requests_total` by status class and code. */
  requests: Record<string, number>
  /** Counts of `procore_bff_outcomes_total`. */
  outcomes: Record<string, number>
  /** Audit lines of all requests. */
  auditLines: Array<Record<string, unknown>>
  span: OtlpReceiver['spans'][number] | undefined
}

/**
 * Waits until the request has its line in the access log, and creates the user of the form with the same idempotency
 * key. Then returns the trail of the request. The second request gives an audit line of the first one time to appear.
 */
async function repeatAndReadTrail (t: Test, service: Service, receiver: OtlpReceiver): Promise<Trail> {
  const { url, usersUrl, emulator, app, lines } = service
  const findLine = () => lines.find(line => line['msg'] === 'request' && line['requestId'] === requestId)
  await waitUntil(() => findLine() !== undefined)
  t.strictSame(emulator.apiRequests.map(({ complete }) => complete), [false], 'Procore gets no complete request')
  const repeated = await sendJson(usersUrl, { user: jane }, { 'idempotency-key': headers['idempotency-key'] })
  t.equal(repeated.status, 201, 'the idempotency key is usable again')
  const samples = parseSamples((await send(`${url}/metrics`, { method: 'GET' })).text).filter(({ value }) => value > 0)
  await app.fastify.close()
  return {
    line: findLine(),
    requests: Object.fromEntries(samples
      .filter(({ name, labels }) => name === 'procore_bff_requests_total' && labels['route'] === route)
      .map(({ labels, value }) => [`${labels['status_class']} ${labels['code']}`, value])),
    outcomes: Object.fromEntries(samples
      .filter(({ name }) => name === 'procore_bff_outcomes_total')
      .map(({ labels, value }) => [labels['outcome'] ?? '', value])),
    auditLines: lines.filter(({ name }) => name === 'audit'),
    span: receiver.spans.find(({ attributes }) => attributes['procore_bff.request_id'] === requestId),
  }
}

const describeAuditLine = ({ outcome, status }: Record<string, unknown>) => `${outcome} ${status}`

t.test('a form with a fault that shows after streaming began is reported everywhere with one status', async t => {
  for (const { name, start, rest, status, code, env } of lateFaults) {
    await t.test(`a form with ${name} is ${status} ${code} everywhere, and is not audited`, async t => {
      const receiver = await startOtlpReceiver(t)
      const service = await startService(t, { env: { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } })
      const answered = Promise.withResolvers<void>()
      const response = await sendMultipart(service.usersUrl, (async function * () {
        yield start
        await waitUntil(() => service.emulator.apiRequests.length === 1)
        if (rest === 'stalls') await answered.promise
        else yield rest
      })(), headers)
      answered.resolve()
      t.match(response, { status, json: { status, code, outcome: 'not_sent' } }, 'the response')
      const { line, requests, outcomes, auditLines, span } = await repeatAndReadTrail(t, service, receiver)
      const expectedLine = { status, code, outcome: 'not_sent', bodyMode: 'streamed', upstreamStatus: undefined }
      t.match(line, expectedLine, 'the log line')
      t.strictSame(requests, { [`4xx ${code}`]: 1, '2xx ': 1 }, 'the request and its repetition are counted')
      t.strictSame(outcomes, { not_sent: 1, created: 1 }, 'the outcome is that of the response')
      t.match(span, {
        isError: false,
        attributes: {
          'http.response.status_code': status, 'procore_bff.code': code, 'procore_bff.outcome': 'not_sent',
        },
      }, 'the span')
      t.strictSame(auditLines.map(describeAuditLine), ['created 201'], 'only the repetition is audited')
    })
  }
})

t.test('a caller that disconnects during a streamed form is logged with 499, and is not audited', async t => {
  const receiver = await startOtlpReceiver(t)
  const service = await startService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url } })
  const formBytes = avatar.length + validRest.length
  const headerLines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const caller = new RawConnection(service.port)
  caller.write(createUserFormHead(formBytes, ...headerLines)).write(avatar)
  await waitUntil(() => service.emulator.apiRequests.length === 1)
  caller.socket.resetAndDestroy()
  await once(caller.socket, 'close')
  const { line, requests, outcomes, auditLines, span } = await repeatAndReadTrail(t, service, receiver)
  const expectedLine = { status: 499, code: undefined, outcome: 'not_sent', bodyMode: 'streamed' }
  t.match(line, { ...expectedLine, upstreamStatus: undefined })
  t.strictSame(requests, { '4xx ': 1, '2xx ': 1 }, 'the request and its repetition are counted')
  t.strictSame(outcomes, { not_sent: 1, created: 1 }, 'as the log line says')
  t.match(span, {
    isError: false, attributes: { 'error.type': 'client_disconnected', 'procore_bff.outcome': 'not_sent' },
  })
  t.strictSame(auditLines.map(describeAuditLine), ['created 201'], 'only the repetition is audited')
})
