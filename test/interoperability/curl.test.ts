// curl as people type it: JSON, and -F with a real PNG and JPEG, small and large.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import t from 'tap'
import { jpeg, png } from '../helpers/images.ts'
import { root } from '../helpers/spawn-program.ts'
import { startService } from '../helpers/service.ts'

const curl = async (...args: string[]) => {
  const { stdout } = await promisify(execFile)('curl', ['-sS', '-w', '\n%{http_code}', ...args], { cwd: root, maxBuffer: 1e8 })
  const at = stdout.lastIndexOf('\n')
  return { status: Number(stdout.slice(at + 1)), json: JSON.parse(stdout.slice(0, at)) }
}
const sha256 = (bytes: Buffer | undefined) => createHash('sha256').update(bytes ?? '').digest('hex')

t.test('JSON', async t => {
  const { usersUrl } = await startService(t)
  const reply = await curl(usersUrl, '-H', 'content-type: application/json', '-d', '{"user":{"first_name":"Jane","last_name":"Doe","email_address":"jane.doe@example.com"}}')
  t.match(reply, { status: 201, json: { name: 'Jane Doe', email_address: 'jane.doe@example.com' } })
  const faulty = await curl(usersUrl, '-H', 'content-type: application/json', '-d', '{"user":{"last_name":"Doe"}}')
  t.match(faulty, { status: 422, json: { code: 'validation_failed', errors: [{ pointer: '/user/email_address', rule: 'required' }] } })
  t.match(await curl(usersUrl, '-d', 'last_name=Doe'), { status: 415, json: { code: 'unsupported_media_type' } }, 'urlencoded is curl\'s default')
})

t.test('-F with a PNG and a JPEG, the file first and last, held and streamed, with Expect: 100-continue', async t => {
  const { usersUrl, emulator } = await startService(t)
  const images = { 'small.png': png(20_000), 'middle.png': png(200_000), 'small.jpg': jpeg(20_000), 'large.jpg': jpeg(9_000_000) }
  const directory = t.testdir(images)
  const fields = (index: number) => ['-F', 'user[last_name]=Doe', '-F', `user[email_address]=jane${index}@example.com`, '-F', 'user[notes]=Zoë "the crane"']
  let index = 0
  for (const [name, image] of Object.entries(images)) {
    for (const isFirst of [true, false]) {
      const file = ['-F', `user[avatar]=@${directory}/${name}`]
      const reply = await curl(usersUrl, ...(isFirst ? [...file, ...fields(index)] : [...fields(index), ...file]))
      t.equal(reply.status, 201, name)
      const user = emulator.api.directory.users.get(reply.json.id)
      t.equal(sha256(user?.avatar), sha256(image), name)
      t.match(user?.values, { last_name: 'Doe', notes: 'Zoë "the crane"' })
      index++
    }
  }
})

t.test('the picture of the README\'s line is a real one', async t => {
  const { usersUrl } = await startService(t)
  t.equal((await curl(usersUrl, '-F', 'user[avatar]=@docs/avatar.png', '-F', 'user[last_name]=Doe', '-F', 'user[email_address]=jane@example.com')).status, 201)
})

t.test('a refusal while curl still uploads is read by it', async t => {
  const { usersUrl } = await startService(t, { env: { AVATAR_MAX_BYTES: '500000' } })
  const directory = t.testdir({ 'large.jpg': jpeg(4_000_000), 'evil.png': Buffer.from(`<svg>${' '.repeat(3_000_000)}</svg>`) })
  t.match(await curl(usersUrl, '-F', `user[avatar]=@${directory}/large.jpg`), { status: 413, json: { code: 'avatar_too_large' } })
  t.match(await curl(usersUrl, '-F', `user[avatar]=@${directory}/evil.png`), { status: 415, json: { code: 'avatar_type' } })
})
