// Wrong uses of the client. `npm run typecheck` fails if one of the lines below @ts-expect-error compiles.
import { createClient, type NewUser, type ProblemError } from '../../client/client.ts'

const client = createClient({ baseUrl: 'http://127.0.0.1:3000' })
const jane: NewUser = { last_name: 'Doe', email_address: 'jane.doe@example.com' }

export async function misuse (problem: ProblemError): Promise<void> {
  await client.createUser(
    101,
    { ...jane, first_name: undefined, is_employee: true, vendor_id: 161072 },
    { avatar: new Blob([]), runConfigurableValidations: true }
  )
  // @ts-expect-error Procore has no such field
  await client.createUser(101, { ...jane, nickname: 'J' })
  // @ts-expect-error a misspelt field
  await client.createUser(101, { last_name: 'Doe', email_adress: 'jane.doe@example.com' })
  // @ts-expect-error a required field is missing
  await client.createUser(101, { last_name: 'Doe' })
  // @ts-expect-error an id is a number
  await client.createUser(101, { ...jane, vendor_id: '161072' })
  await client.createUser(101, { ...jane, city: null })
  // @ts-expect-error a required field cannot be null
  await client.createUser(101, { ...jane, last_name: null })
  // @ts-expect-error a company id is a number
  await client.createUser('101', jane)
  // @ts-expect-error the avatar is an option, not a field
  await client.createUser(101, { ...jane, avatar: new Blob([]) })
  // @ts-expect-error there is no such option
  await client.createUser(101, jane, { avater: new Blob([]) })

  const { data } = await client.createUser(101, jane)
  const id: number = data.id
  const city: string | null | undefined = data.city
  // @ts-expect-error nearly every field of a response may be null or absent
  const title: string = data.job_title

  await client.updateUser(101, 7, { city: 'Carpinteria', add_to_new_projects: true }, { avatar: new Blob([]) })
  // null clears a field
  await client.updateUser(101, 7, { city: null, business_phone_extension: null, vendor_id: null })
  // @ts-expect-error a required field cannot be cleared
  await client.updateUser(101, 7, { email_address: null })
  // @ts-expect-error a boolean cannot be cleared
  await client.updateUser(101, 7, { is_active: null })
  // @ts-expect-error only a create can make a bid contact
  await client.updateUser(101, 7, { bid_contact: true })
  // @ts-expect-error a misspelt field
  await client.updateUser(101, 7, { citty: 'Carpinteria' })
  // @ts-expect-error there is no such sort order
  await client.listUsers(101, { sort: 'age' })
  // @ts-expect-error a list of ids is not a list of users
  await client.listUsers(101, { view: 'ids_only' })
  const { data: ids } = await client.listUserIds(101, { sort: 'name' })
  const firstId: number | undefined = ids[0]
  // @ts-expect-error a list of ids has no other view
  await client.listUserIds(101, { view: 'normal' })
  for await (const { data } of client.userPages(101, { per_page: 500 })) {
    const title: string | null | undefined = data[0]?.job_title
    console.log(title)
  }
  // @ts-expect-error an invitation has no body
  await client.inviteUser(101, 7, { user: jane })
  // @ts-expect-error the earlier response must be one of the same endpoint
  await client.userForm(101, { ifNoneMatch: await client.listUsers(101) })

  problem.errorsFor('email_address')
  problem.errorsFor('add_to_new_projects')
  problem.errorsFor('avatar')
  // @ts-expect-error there is no such field
  problem.errorsFor('email')
  // @ts-expect-error there is no such field
  console.log(problem.errorsByField.email)
  // @ts-expect-error there is no such code
  const isTaken = problem.code === 'taken'

  const path = { company_id: 101 }
  await client.send('post', '/companies/{company_id}/users', { path, body: { user: jane } })
  // @ts-expect-error there is no such path
  await client.send('get', '/companies/{company_id}/user', { path: { company_id: 101 } })
  // @ts-expect-error there is no such parameter
  await client.send('post', '/companies/{company_id}/users', { path, query: { validate: true }, body: { user: jane } })
  // @ts-expect-error the company id is missing
  await client.send('post', '/companies/{company_id}/users', { path: {}, body: { user: jane } })
  // @ts-expect-error the body is missing
  await client.send('post', '/companies/{company_id}/users', { path: { company_id: 101 } })
  // @ts-expect-error the endpoints for operators are not part of the client
  await client.send('get', '/metrics', { path: {} })
  console.log(id, firstId, city, title, isTaken, problem.errorsByField.city)

  for await (const row of client.importUsers(101, new Blob([]), { mode: 'upsert', dryRun: true })) {
    if (row.status === 'created') console.log(row.id)
    else if (row.status === 'invalid') console.log(row.errors)
    // @ts-expect-error a row that was not sent has no id
    else if (row.status === 'not_sent') console.log(row.id)
  }
  // @ts-expect-error there is no such mode
  client.importUsers(101, new Blob([]), { mode: 'update' })
}
