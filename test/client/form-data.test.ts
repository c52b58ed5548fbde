// The form that the client sends has the names that the service expects.
import t from 'tap'
import { buildFormData } from '../../client/request.ts'

t.test('each item of a list is a part of its own, and a field without a value has none', t => {
  const record = { name: 'Masonry', trade_ids: [5, 8], aliases: [], rate: 0.5, born_on: null, active: undefined }
  const data = new Blob(['x'])
  const form = buildFormData({ trade: record }, 'absent', { logo: data, photo: data, plan: undefined })
  const texts = [...form].filter(([, value]) => typeof value === 'string')
  t.strictSame(texts, [
    ['trade[name]', 'Masonry'], ['trade[trade_ids][]', '5'], ['trade[trade_ids][]', '8'], ['trade[rate]', '0.5'],
  ])
  const files = [...form].filter(([, value]) => value instanceof Blob).map(([name]) => name)
  t.strictSame(files, ['trade[logo]', 'trade[photo]'])
  t.end()
})
