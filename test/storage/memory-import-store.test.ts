// Imports whose progress is stored in the memory of one replica.
import t from 'tap'
import { limits } from '../../src/config/limits.ts'
import { MemoryImportStore } from '../../src/storage/memory-import-store.ts'

const batch = { rows: [1], ids: [null], fingerprint: '', sentAtMs: 0, results: undefined }

t.test('an import that was removed while it was running is not stored any further', async t => {
  const lease = await new MemoryImportStore().lease(1)
  await lease?.save('first', 0, batch)
  t.strictSame(await lease?.load('first', 0), batch)
  for (let index = 0; index < limits.imports.storedMax; index++) await lease?.save(`other ${index}`, 0, batch)
  await lease?.save('first', 1, batch)
  t.equal(await lease?.load('first', 0), undefined, 'its first batch was removed')
  t.equal(await lease?.load('first', 1), undefined, 'the second one alone could not be resumed')
})
