// What docs/deployment.md says about the size of Redis.
import t from 'tap'
import { readPage } from '../helpers/markdown.ts'
import { startRedis } from '../helpers/redis.ts'
import { jane, sendJson } from '../helpers/requests.ts'
import { startService } from '../helpers/service.ts'
import { skipWithoutRedis } from '../helpers/skip-without-redis.ts'

t.test('1,000 creates with an idempotency key take no more of Redis than the page says', {
  skip: skipWithoutRedis,
}, async t => {
  const redis = await startRedis(t)
  const { usersUrl } = await startService(t, { env: { REDIS_URL: redis.url } })
  const usedBytes = async () => Number(/^used_memory:(\d+)/m.exec(await redis.client.info('memory'))?.[1])
  const create = async (index: number) => {
    const email = `person${index}@example.com`
    const reply = await sendJson(usersUrl, { user: { ...jane, email_address: email } }, { 'idempotency-key': email })
    t.equal(reply.status, 201)
  }
  // Keys that do not grow with the creates exist after the first one.
  await create(0)
  const before = await usedBytes()
  const count = 200
  for (let index = 1; index <= count; index++) await create(index)
  const mebibytes = (await usedBytes() - before) * 1000 / count / 2 ** 20
  t.comment(`${mebibytes.toFixed(2)} MiB`)
  const row = readPage('docs/deployment.md').tableRows('resource').find(([resource]) => resource === 'memory of Redis')
  t.equal(row?.[2]?.split(' ')[1], 'MiB')
  t.ok(mebibytes < Number.parseInt(row?.[2] ?? ''), `${mebibytes} MiB`)
})
