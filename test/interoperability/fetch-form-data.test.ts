// Tests FormData of fetch, as undici and browsers write it.
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { FormData, fetch } from 'undici'
import { assertSchema } from '../helpers/assert-schema.ts'
import { jpeg, png } from '../helpers/images.ts'
import { startService } from '../helpers/service.ts'

const UserSchema = Type.Object({ id: Type.Integer() })

t.test('FormData creates a user', async t => {
  const { usersUrl, emulator } = await startService(t)
  const images = { 'a small PNG': png(1000), 'a buffered PNG': png(200_000), 'a streamed JPEG': jpeg(5_000_000) }
  for (const [name, image] of Object.entries(images)) {
    for (const position of ['first', 'last']) {
      await t.test(`with ${name} as the ${position} part`, async t => {
        const form = new FormData()
        const blob = new Blob([new Uint8Array(image)], { type: 'image/png' })
        if (position === 'first') form.append('user[avatar]', blob, 'Zoë "1".png')
        form.append('user[last_name]', 'Doe')
        form.append('user[notes]', 'a\nb')
        form.append('user[email_address]', `${name.replaceAll(' ', '-')}.${position}@example.com`)
        form.append('user[is_active]', 'true')
        if (position === 'last') form.append('user[avatar]', blob, 'Zoë "1".png')
        const response = await fetch(usersUrl, { method: 'POST', body: form })
        t.equal(response.status, 201)
        const { id } = assertSchema(UserSchema, await response.json())
        const user = emulator.api.directory.users.get(id)
        t.ok(user?.avatar?.equals(image))
        t.match(user?.values, { last_name: 'Doe', notes: 'a\r\nb', is_active: true })
      })
    }
  }
})

t.test('a file input that the user left empty counts as absent', async t => {
  const { usersUrl, emulator } = await startService(t)
  const form = new FormData()
  form.append('user[last_name]', 'Doe')
  form.append('user[email_address]', 'jane@example.com')
  form.append('user[avatar]', new Blob([]), '')
  t.equal((await fetch(usersUrl, { method: 'POST', body: form })).status, 201)
  t.equal(emulator.api.directory.list(101)[0]?.avatar, undefined)
})
