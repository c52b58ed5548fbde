// Tests requests of curl: JSON, and -F with a PNG and a JPEG, small and large.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import t from 'tap'
import { jpeg, png } from '../helpers/images.ts'
import { root } from '../helpers/spawn-program.ts'
import { startService } from '../helpers/service.ts'

interface ResponseJson extends Record<string, unknown> {
  id: number
}

const parseJson: (text: string) => ResponseJson = JSON.parse

const curl = async (...args: string[]) => {
  const options = ['-sS', '-w', '\n%{http_code}']
  const { stdout } = await promisify(execFile)('curl', [...options, ...args], { cwd: root, maxBuffer: 1e8 })
  const statusStart = stdout.lastIndexOf('\n')
  return { status: Number(stdout.slice(statusStart + 1)), json: parseJson(stdout.slice(0, statusStart)) }
}
const sha256 = (bytes: Buffer | undefined) => createHash('sha256').update(bytes ?? '').digest('hex')

t.test('JSON of curl creates a user, and invalid JSON fields and media types are rejected', async t => {
  const { usersUrl } = await startService(t)
  const body = '{"user":{"first_name":"Jane","last_name":"Doe","email_address":"jane.doe@example.com"}}'
  const response = await curl(usersUrl, '-H', 'content-type: application/json', '-d', body)
  t.match(response, { status: 201, json: { name: 'Jane Doe', email_address: 'jane.doe@example.com' } })
  const invalid = await curl(usersUrl, '-H', 'content-type: application/json', '-d', '{"user":{"last_name":"Doe"}}')
  t.match(invalid, {
    status: 422,
    json: { code: 'validation_failed', errors: [{ pointer: '/user/email_address', rule: 'required' }] },
  })
  const urlencoded = await curl(usersUrl, '-d', 'last_name=Doe')
  t.match(urlencoded, { status: 415, json: { code: 'unsupported_media_type' } }, 'urlencoded is curl\'s default')
})

t.test('-F with an image creates a user, whether the file is first or last, buffered or streamed', async t => {
  const { usersUrl, emulator } = await startService(t)
  const images = {
    'small.png': png(20_000),
    'middle.png': png(200_000),
    'small.jpg': jpeg(20_000),
    'large.jpg': jpeg(9_000_000),
  }
  const directory = t.testdir(images)
  const fields = (index: number) => [
    '-F', 'user[last_name]=Doe',
    '-F', `user[email_address]=jane${index}@example.com`,
    '-F', 'user[notes]=Zoë "the crane"',
  ]
  let index = 0
  for (const [name, image] of Object.entries(images)) {
    for (const isFirst of [true, false]) {
      const file = ['-F', `user[avatar]=@${directory}/${name}`]
      const response = await curl(usersUrl, ...(isFirst ? [...file, ...fields(index)] : [...fields(index), ...file]))
      t.equal(response.status, 201, name)
      const user = emulator.api.directory.users.get(response.json.id)
      t.equal(sha256(user?.avatar), sha256(image), name)
      t.match(user?.values, { last_name: 'Doe', notes: 'Zoë "the crane"' })
      index++
    }
  }
})

t.test('the avatar in the example of the README is a valid image', async t => {
  const { usersUrl } = await startService(t)
  const fields = ['-F', 'user[last_name]=Doe', '-F', 'user[email_address]=jane@example.com']
  t.equal((await curl(usersUrl, '-F', 'user[avatar]=@docs/avatar.png', ...fields)).status, 201)
})

t.test('curl reads a rejection that arrives during its upload', async t => {
  const { usersUrl } = await startService(t, { env: { AVATAR_MAX_BYTES: '500000' } })
  const svg = Buffer.from(`<svg>${' '.repeat(3_000_000)}</svg>`)
  const directory = t.testdir({ 'large.jpg': jpeg(4_000_000), 'evil.png': svg })
  const tooLarge = await curl(usersUrl, '-F', `user[avatar]=@${directory}/large.jpg`)
  t.match(tooLarge, { status: 413, json: { code: 'avatar_too_large' } })
  const wrongType = await curl(usersUrl, '-F', `user[avatar]=@${directory}/evil.png`)
  t.match(wrongType, { status: 415, json: { code: 'avatar_type' } })
})
