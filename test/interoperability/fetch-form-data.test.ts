// FormData of fetch, as undici and browsers write it.
import t from 'tap'
import { FormData, fetch } from 'undici'
import { jpeg, png } from '../helpers/images.ts'
import { startService } from '../helpers/service.ts'

t.test('fields and files of every size, in any order', async t => {
  const { usersUrl, emulator } = await startService(t)
  for (const [index, image] of [png(1000), png(200_000), jpeg(5_000_000)].entries()) {
    for (const isFirst of [true, false]) {
      const form = new FormData()
      const file = () => form.append('user[avatar]', new Blob([new Uint8Array(image)], { type: 'image/png' }), 'Zoë "1".png')
      if (isFirst) file()
      form.append('user[last_name]', 'Doe\nDoe')
      form.append('user[email_address]', `jane${index}${String(isFirst)}@example.com`)
      form.append('user[is_active]', 'true')
      if (!isFirst) file()
      const response = await fetch(usersUrl, { method: 'POST', body: form })
      t.equal(response.status, 201)
      const { id }: { id: number } = JSON.parse(await response.text())
      const user = emulator.api.directory.users.get(id)
      t.ok(user?.avatar?.equals(image))
      t.match(user?.values, { last_name: 'Doe\r\nDoe', is_active: true })
    }
  }
})

t.test('an input of type file that was left alone', async t => {
  const { usersUrl, emulator } = await startService(t)
  const form = new FormData()
  form.append('user[last_name]', 'Doe')
  form.append('user[email_address]', 'jane@example.com')
  form.append('user[avatar]', new Blob([]), '')
  t.equal((await fetch(usersUrl, { method: 'POST', body: form })).status, 201)
  t.equal(emulator.api.directory.list(101)[0]?.avatar, undefined)
})
