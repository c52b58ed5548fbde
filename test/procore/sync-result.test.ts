// What Procore's response to a sync says about each row: certain, or `unknown`.
import t from 'tap'
import { matchSyncRows, type SyncRowResult } from '../../src/procore/sync-result.ts'

type Attributes = Record<string, unknown>

const ann = { last_name: 'Ann', email_address: 'ann@example.com' }
const bob = { last_name: 'Bob', email_address: 'bob@example.com' }
const annUser = { ...ann, id: 1, origin_id: null }
const bobUser = { ...bob, id: 2, origin_id: null }
const taken = { email_address: ['has already been taken'] }
const takenError = {
  in: 'body', pointer: '/email_address', field: 'email_address', rule: 'procore', message: 'has already been taken',
} as const
const created = (id: number): SyncRowResult => ({ status: 'created', id })
const updated = (id: number): SyncRowResult => ({ status: 'updated', id })
const rejected: SyncRowResult = { status: 'rejected', errors: [takenError] }
const unknown: SyncRowResult = { status: 'unknown' }

interface Case {
  name: string
  sent: Attributes[]
  entities?: unknown[]
  errors?: unknown[]
  /** Ids of users that existed before. */
  existing?: number[]
  results: SyncRowResult[]
}

const cases: Case[] = [
  { name: 'no rows', sent: [], entities: [], errors: [], results: [] },
  { name: 'users in order', sent: [ann, bob], entities: [annUser, bobUser], results: [created(1), created(2)] },
  { name: 'users in another order', sent: [ann, bob], entities: [bobUser, annUser], results: [created(1), created(2)] },
  {
    name: 'an e-mail address in another case and with spaces',
    sent: [ann],
    entities: [{ id: 1, email_address: ' Ann@Example.com ' }],
    results: [created(1)],
  },
  { name: 'a row with an id', sent: [{ id: 1, last_name: 'A' }], entities: [annUser], results: [updated(1)] },
  {
    name: 'a row with an id whose e-mail address is changed to that of another user in the response',
    sent: [{ id: 1, email_address: 'bob@example.com' }, { id: 2, email_address: 'ann@example.com' }],
    entities: [{ id: 2, email_address: 'bob@example.com' }, { id: 1, email_address: 'ann@example.com' }],
    results: [updated(1), updated(2)],
  },
  {
    name: 'a row with the id of another user than that with its e-mail address',
    sent: [{ ...ann, id: 9 }],
    entities: [annUser],
    results: [unknown],
  },
  {
    name: 'a row by its `origin_id`, though the e-mail address differs',
    sent: [{ ...ann, origin_id: 'A' }],
    entities: [{ id: 1, origin_id: ' A', email_address: 'a@example.com' }],
    results: [created(1)],
  },
  {
    name: 'a user with another `origin_id` than the row with its e-mail address',
    sent: [{ ...ann, origin_id: 'A' }],
    entities: [{ ...annUser, origin_id: 'B' }],
    results: [unknown],
  },
  {
    name: 'a user that does not show its `origin_id`',
    sent: [{ ...ann, origin_id: 'A' }],
    entities: [annUser],
    results: [created(1)],
  },
  {
    name: 'a user that existed before',
    sent: [ann, bob],
    entities: [annUser, bobUser],
    existing: [2],
    results: [created(1), updated(2)],
  },
  {
    name: 'a rejected row beside a user',
    sent: [ann, bob],
    entities: [bobUser],
    errors: [{ ...ann, errors: taken }],
    results: [rejected, created(2)],
  },
  {
    name: 'a rejected row with attributes as text, by its id',
    sent: [{ id: 1, vendor_id: 7 }, { id: 2, vendor_id: 7 }],
    errors: [{ id: '2', vendor_id: '7', errors: taken }],
    results: [unknown, rejected],
  },
  {
    name: 'a rejected row by its `origin_id`',
    sent: [{ origin_id: 'A' }, { origin_id: 'B' }],
    errors: [{ origin_id: 'B', x: 1, errors: taken }],
    results: [unknown, rejected],
  },
  {
    name: 'a rejected row by its e-mail address',
    sent: [ann, bob],
    errors: [{ email_address: 'BOB@example.com', errors: taken }],
    results: [unknown, rejected],
  },
  {
    name: 'a rejected row by its attributes only',
    sent: [{ last_name: 'A' }, { last_name: 'B' }],
    errors: [{ last_name: 'B', errors: taken }],
    results: [unknown, rejected],
  },
  {
    name: 'rows with the same e-mail address, of which one is rejected with its attributes',
    sent: [ann, { ...ann, last_name: 'Other' }],
    entities: [annUser],
    errors: [{ ...ann, last_name: 'Other', errors: taken }],
    results: [created(1), rejected],
  },
  {
    name: 'rows with the same e-mail address, and one user',
    sent: [ann, { ...ann, last_name: 'Other' }, bob],
    entities: [annUser, bobUser],
    results: [unknown, unknown, created(2)],
  },
  {
    name: 'the same row twice, of which one is rejected',
    sent: [ann, ann],
    entities: [annUser],
    errors: [{ ...ann, errors: taken }],
    results: [unknown, unknown],
  },
  {
    name: 'two users with one e-mail address',
    sent: [ann],
    entities: [annUser, { ...ann, id: 3 }],
    results: [unknown],
  },
  { name: 'the same user twice', sent: [{ id: 1 }], entities: [annUser, annUser], results: [unknown] },
  {
    name: 'a row both as stored and as rejected',
    sent: [ann],
    entities: [annUser],
    errors: [{ ...ann, errors: taken }],
    results: [unknown],
  },
  { name: 'a row that is not mentioned', sent: [ann, bob], entities: [annUser], results: [created(1), unknown] },
  { name: 'users of no row', sent: [ann], entities: [bobUser, annUser, 7, null], results: [created(1)] },
  {
    name: 'users without a numeric id',
    sent: [ann, bob],
    entities: [{ ...ann, id: '1' }, bob],
    results: [unknown, unknown],
  },
  { name: 'an id that is not an integer', sent: [ann], entities: [{ ...ann, id: 1.5 }], results: [unknown] },
]
for (const { name, sent, entities = [], errors = [], existing = [], results } of cases) {
  t.test(`the response to a sync is read row by row: ${name}`, async t => {
    const rows = sent.map(attributes => new Map(Object.entries(attributes)))
    const existedBefore = (_: object, id: number) => existing.includes(id)
    t.strictSame(matchSyncRows(rows, { entities, errors }, existedBefore), results)
  })
}

const otherShapes = [undefined, null, '', 7, [], [annUser], {}, { entities: {} }, { entities: [annUser], errors: 'x' }]
for (const body of otherShapes) {
  t.test(`no row is certain if the response to a sync is ${JSON.stringify(body)}`, async t => {
    t.strictSame(matchSyncRows([new Map(Object.entries(ann))], body, () => false), [unknown])
  })
}

t.test('a list of errors may be absent', async t => {
  const results = matchSyncRows([new Map(Object.entries(ann))], { entities: [annUser] }, () => false)
  t.strictSame(results, [created(1)])
})

const errorShapes: Array<[string, unknown, Array<[string, string]>]> = [
  ['by field', { last_name: ["can't be blank", 'is x'] }, [['/last_name', "can't be blank"], ['/last_name', 'is x']]],
  ['nested below the record', { user: { zip: ['is bad'] } }, [['/zip', 'is bad']]],
  ['with the record in the name', { 'user[zip]': ['is bad'] }, [['/zip', 'is bad']]],
  ['about the row', { base: ['is locked'] }, [['', 'is locked']]],
  ['as a list', ['Not allowed'], [['', 'Not allowed']]],
  ['as text', 'Not allowed', [['', 'Not allowed']]],
  ['about a strange name', { 'a/b c': ['is bad'] }, [['', 'is bad']]],
  ['absent', undefined, [['', 'was rejected by Procore']]],
]
for (const [name, errors, expected] of errorShapes) {
  t.test(`the errors of a rejected row become errors of its fields: ${name}`, async t => {
    const rows = [new Map(Object.entries(ann))]
    const [result] = matchSyncRows(rows, { entities: [], errors: [{ ...ann, errors }] }, () => false)
    t.equal(result?.status, 'rejected')
    const found = result?.status === 'rejected' ? result.errors : []
    t.strictSame(found.map(({ pointer, message }) => [pointer, message]), expected)
    t.ok(found.every(({ rule, in: location }) => rule === 'procore' && location === 'body'))
  })
}
