// Imports people on the import page in a browser: the sample, files whose columns are mapped, rows that fail, an import
// that is paused or lost, and files that cannot be imported.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { InjectedFault, Settings } from '../../tools/emulator/settings.ts'
import { findViolations } from '../helpers/axe.ts'
import { openPage } from '../helpers/browser.ts'
import { loadPage, selectFault, skip, startDemo, waitForOutcome } from '../helpers/demo.ts'
import { addressOf, csvOf, sendImport } from '../helpers/imports.ts'
import { waitUntil } from '../helpers/wait-until.ts'

// The tests mostly wait for the page, so that several pages can run at once.
t.jobs = 2

async function openImport (t: Test, settings?: Partial<Settings>) {
  const { url, emulator, app } = await startDemo(t, settings)
  const browsing = await openPage(t)
  const { page } = browsing
  await loadPage(page, `${url}/import`)
  return {
    ...browsing,
    url,
    emulator,
    app,
    getUsers: () => [...emulator.api.directory.users.values()].map(({ values }) => values),
    countBatches: () => emulator.apiRequests.filter(({ method }) => method === 'PATCH').length,
  }
}

/** Writes a file, so that the browser reads it as one that a person chooses. */
async function writeFileOf (t: Test, name: string, content: string | Buffer): Promise<string> {
  const path = join(t.testdir(), name)
  await writeFile(path, content)
  return path
}

/** Chooses a file in the dialog of the browser, possibly one at the path of the file before. */
async function choose (page: Page, path: string): Promise<void> {
  const opened = page.waitForEvent('filechooser')
  await page.getByLabel('CSV or NDJSON').click()
  await (await opened).setFiles(path)
}

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const click = (page: Page, name: string) => button(page, name).click()
const outcome = (page: Page) => page.locator('#outcome').innerText()
const fieldOf = (page: Page, column: string) => page.getByLabel(`Field of the column ${column}`, { exact: true })

/** Returns the texts of the cells of the table of results. */
const readResults = (page: Page) => page.locator('#rows tr').evaluateAll(rows => rows.map(row => {
  return [...row.querySelectorAll('td')].map(({ textContent }) => textContent)
}))

/** Resolves with the file that the browser saves. */
async function download (page: Page, name: string): Promise<{ name: string, text: string }> {
  const saved = page.waitForEvent('download')
  await page.getByRole(name === 'Download the sample' ? 'link' : 'button', { name }).click()
  const file = await saved
  return { name: file.suggestedFilename(), text: await readFile(await file.path(), 'utf8') }
}

/** Delays the responses to batches. */
const slowBatch: InjectedFault = { method: 'PATCH', path: '/users/sync', kind: 'delay', delayMs: 1_000 }

function recordIdempotencyKeys (page: Page): string[] {
  const idempotencyKeys: string[] = []
  page.on('request', request => {
    const idempotencyKey = request.headers()['idempotency-key']
    if (idempotencyKey !== undefined) idempotencyKeys.push(idempotencyKey)
  })
  return idempotencyKeys
}

/** Resumes until the import has finished: the batch of the paused import may still be in flight. */
async function resumeToEnd (page: Page): Promise<void> {
  const badge = page.locator('#outcome .badge')
  await waitUntil(async () => {
    if (await button(page, 'Resume').isVisible()) await click(page, 'Resume')
    await badge.waitFor()
    return await badge.innerText() === 'finished'
  })
}

t.test('the sample of 1,000 people is checked, downloaded and imported in few requests', { skip }, async t => {
  const { page, url, requestedUrls, errors, getUsers, countBatches } = await openImport(t)
  await click(page, 'Use the sample file')
  await click(page, 'Check only')
  await waitForOutcome(page, 'valid')
  t.equal(getUsers().length, 0)
  t.match(await outcome(page), 'All 1,000 rows are valid.')
  await click(page, 'Import')
  await waitForOutcome(page, 'finished')
  t.match(await outcome(page), /All rows were imported\.\s+1,000 created\./)
  t.strictSame([getUsers().length, countBatches()], [1000, 5])
  t.match(getUsers()[999], {
    last_name: 'User 1000', email_address: 'user-1000@example.com', is_employee: true, state_code: 'CA',
  })
  t.equal(await page.locator('#rows tr').count(), 200)
  await page.getByText('200 of 1,000 rows shown.').waitFor()
  const { name, text } = await download(page, 'Download the sample')
  t.equal(name, 'sample.csv')
  t.equal(text.trimEnd().split('\r\n').length, 1001)
  t.strictSame(requestedUrls.filter(address => ![url, 'blob:', 'data:'].some(start => address.startsWith(start))), [])
  t.strictSame(errors, [])
})

t.test('misspelt columns get a suggestion, can be mapped, and are sent under their fields', { skip }, async t => {
  const { page, getUsers } = await openImport(t)
  // As Excel writes it with German settings: a byte order mark, semicolons, and a separator at the end of rows.
  const path = await writeFileOf(t, 'leute.csv', '\uFEFFLast Name;E-mail adress;Vorname;Stadt;\r\n' +
    'Müller;umlaut@example.com;"a;b";=cmd();\r\nDoe;"semicolon@example.com";;"x ""y""";\r\n')
  await choose(page, path)
  t.equal(await fieldOf(page, 'Last Name').inputValue(), 'last_name')
  t.equal(await fieldOf(page, 'E-mail adress').inputValue(), 'email_address')
  await page.getByText('No field has this name. Suggested: email_address.').waitFor()
  t.equal(await fieldOf(page, 'Vorname').inputValue(), '')
  t.equal(await page.locator('#mapping tr').count(), 4, 'the empty column of trailing separators is not shown')
  await page.getByText('2 mapped, 2 not sent').waitFor()
  await fieldOf(page, 'Vorname').selectOption('last_name')
  await page.getByText('Several columns are mapped to last_name. Choose one of them.').waitFor()
  t.ok(await button(page, 'Import').isDisabled())
  await fieldOf(page, 'Vorname').selectOption('first_name')
  await fieldOf(page, 'Stadt').selectOption('city')
  await fieldOf(page, 'E-mail adress').selectOption('')
  await page.getByText('No column is mapped to email_address, which is required.').waitFor()
  await fieldOf(page, 'E-mail adress').selectOption('email_address')
  await click(page, 'Import')
  await waitForOutcome(page, 'finished')
  t.match(getUsers(), [
    { last_name: 'Müller', email_address: 'umlaut@example.com', first_name: 'a;b', city: '=cmd()' },
    { last_name: 'Doe', email_address: 'semicolon@example.com', city: 'x "y"' },
  ])
})

t.test('rows that fail are shown with their input, by status, and at most 200 of them', { skip }, async t => {
  const { page } = await openImport(t)
  const valid = csvOf(2)
  await choose(page, await writeFileOf(t, 'people.csv', `${valid}Three,no address\n,four\nFive,${addressOf(1)}\n`))
  await click(page, 'Check only')
  await waitForOutcome(page, 'invalid')
  const expected = [
    ['3', 'invalid', 'email_address', 'no address', 'must be an e-mail address'],
    ['4', 'invalid', 'email_address', 'four', 'must be an e-mail address'],
    ['4', 'invalid', 'last_name', '(empty)', 'is required'],
    ['5', 'invalid', 'email_address', 'user-0001@example.com', 'repeats the value of row 1'],
  ]
  t.strictSame((await readResults(page)).sort(), expected)
  t.equal(await button(page, 'Failed 3').getAttribute('aria-pressed'), 'true')
  await click(page, 'valid 2')
  t.strictSame(await readResults(page), [['1', 'valid', '', '', ''], ['2', 'valid', '', '', '']])
  await click(page, 'All 5')
  t.equal(await page.locator('#rows tr').count(), 6)
  const invalid = Array.from({ length: 300 }, (_, index) => `Row,${index}\n`).join('')
  await choose(page, await writeFileOf(t, 'people.csv', `last_name,email_address\n${invalid}`))
  await page.locator('#rows-scroll').waitFor({ state: 'hidden' })
  await click(page, 'Import')
  await page.getByText('200 of 300 rows shown.').waitFor()
  t.equal(await page.locator('#rows tr').count(), 200)
})

t.test('the rows that failed are downloaded, corrected and imported again', { skip }, async t => {
  const { page, getUsers } = await openImport(t)
  const rows = ['Doe;"a ""b"";c";=cmd()', 'One;one@example.com;-1', `Two;${addressOf(2)};@x`]
  await choose(page, await writeFileOf(t, 'people.csv', ['last_name;Email;city', ...rows, ''].join('\r\n')))
  await click(page, 'Import')
  await waitForOutcome(page, 'finished')
  const { name, text } = await download(page, 'Download the failed rows')
  t.equal(name, 'people-failed.csv')
  t.equal(text, '\uFEFFlast_name;email_address;city;error\r\n' +
    'Doe;"a ""b"";c";=cmd();Row 1: email_address must be an e-mail address\r\n')
  await choose(page, await writeFileOf(t, name, text.replace('"a ""b"";c"', 'mended@example.com')))
  t.equal(await fieldOf(page, 'error').inputValue(), '')
  await page.getByText('Why rows failed in an earlier import.').waitFor()
  await click(page, 'Import')
  await page.getByText('All rows were imported.').waitFor()
  t.match(getUsers().map(({ city }) => city), ['-1', '@x', '=cmd()'])
  t.equal(getUsers()[2]?.['email_address'], 'mended@example.com')
})

t.test('people who exist are rejected, or updated by an upsert', { skip }, async t => {
  const { page, getUsers } = await openImport(t)
  const path = await writeFileOf(t, 'people.csv', csvOf(2))
  await choose(page, path)
  await click(page, 'Import')
  await page.getByText('All rows were imported.').waitFor()
  await click(page, 'Import')
  await page.getByText('2 rows failed.').waitFor()
  const rejected = ['rejected', 'email_address', addressOf(1), 'is in the directory already']
  t.strictSame((await readResults(page))[0], ['1', ...rejected])
  await page.getByLabel('People who are in the directory already').selectOption('upsert')
  await choose(page, await writeFileOf(t, 'people.csv', csvOf(2).replace('Person 1', 'Person A')))
  await click(page, 'Import')
  await page.getByText('1 updated, 1 unchanged.').waitFor()
  t.match(getUsers().map(user => user['last_name']), ['Person A', 'Person 2'])
})

t.test('a file of lines of JSON keeps its types, and its failed rows are lines of JSON', { skip }, async t => {
  const { page, getUsers } = await openImport(t)
  const lines = [
    { surname: 'Doe', email_address: 'doe@example.com', is_employee: true },
    { surname: 'Roe', email_address: 'roe@example.com', is_employee: 'yes' },
  ]
  await choose(page, await writeFileOf(t, 'people.ndjson', lines.map(line => `${JSON.stringify(line)}\n`).join('')))
  await fieldOf(page, 'surname').selectOption('last_name')
  await click(page, 'Import')
  await waitForOutcome(page, 'finished')
  t.match(getUsers(), [{ last_name: 'Doe', is_employee: true }])
  const { name, text } = await download(page, 'Download the failed rows')
  t.equal(name, 'people-failed.ndjson')
  t.match(JSON.parse(text), { last_name: 'Roe', is_employee: 'yes', error: /^Row 2: is_employee / })
})

t.test('an import that is paused stops soon, and resumes with the same key', { skip }, async t => {
  const { page, app, emulator, getUsers, countBatches } = await openImport(t)
  const idempotencyKeys = recordIdempotencyKeys(page)
  await click(page, 'Use the sample file')
  await button(page, 'Import').waitFor()
  emulator.faults.add({ ...slowBatch, times: 5 })
  await click(page, 'Import')
  await waitUntil(() => countBatches() === 2)
  t.ok(Number(await page.getByRole('progressbar', { name: 'Rows finished' }).getAttribute('value')) < 1000)
  await click(page, 'Pause')
  await waitForOutcome(page, 'paused')
  t.equal(await page.evaluate(() => document.activeElement?.textContent), 'Resume')
  // Chromium only half-closes the connection, so the service notices it when it writes the next line.
  await waitUntil(() => app.inFlight.count === 0)
  t.ok(countBatches() < 5)
  await resumeToEnd(page)
  t.equal(getUsers().length, 1000)
  t.equal(new Set(getUsers().map(user => user['email_address'])).size, 1000)
  t.equal(new Set(idempotencyKeys).size, 1)
  t.match(await outcome(page), '1,000 created.')
  t.equal(await button(page, 'Resume').count(), 0)
})

t.test('an import during which the page is reloaded resumes when the file is chosen again', { skip }, async t => {
  const { page, url, emulator, getUsers, countBatches } = await openImport(t)
  const idempotencyKeys = recordIdempotencyKeys(page)
  // The mapping is chosen by the person, and must be the same after the reload.
  const content = csvOf(500).replace('last_name', 'surname')
  const path = await writeFileOf(t, 'people.csv', content)
  await choose(page, path)
  await fieldOf(page, 'surname').selectOption('last_name')
  emulator.faults.add({ ...slowBatch, times: 3 })
  await click(page, 'Import')
  await waitUntil(() => countBatches() === 1)
  await loadPage(page, `${url}/import`)
  await page.getByText('The import of people.csv has not finished. Choose the same file again to resume it.').waitFor()
  await choose(page, await writeFileOf(t, 'other.csv', csvOf(3)))
  await button(page, 'Import').waitFor()
  await choose(page, await writeFileOf(t, 'renamed.csv', content))
  await page.getByText('An import of this file has not finished.').waitFor()
  t.equal(await fieldOf(page, 'surname').inputValue(), 'last_name')
  await resumeToEnd(page)
  t.match(await outcome(page), '500 created.')
  t.equal(getUsers().length, 500)
  t.equal(new Set(idempotencyKeys).size, 1)
  await loadPage(page, `${url}/import`)
  t.ok(await page.locator('#interrupted').isHidden())
})

t.test('an import whose connection is lost says so, and resumes', { skip }, async t => {
  const { page, app, emulator, getUsers, countBatches } = await openImport(t)
  await choose(page, await writeFileOf(t, 'people.csv', csvOf(500)))
  emulator.faults.add({ ...slowBatch, times: 3 })
  await click(page, 'Import')
  await waitUntil(() => countBatches() === 2)
  app.fastify.server.closeAllConnections()
  await waitForOutcome(page, 'incomplete')
  t.match(await outcome(page), 'The connection was lost during the import.')
  await resumeToEnd(page)
  t.equal(getUsers().length, 500)
})

t.test('a lost response of Procore and a rate limit create nobody twice', { skip }, async t => {
  for (const label of ['Response to the first batch lost', 'Rate limit exceeded, retry after 5 seconds']) {
    await t.test(label, async t => {
      const { page, getUsers } = await openImport(t)
      await click(page, 'Use the sample file')
      await selectFault(page, label)
      await click(page, 'Import')
      await waitForOutcome(page, 'finished')
      t.equal(getUsers().length, 1000)
      t.equal(await page.getByLabel('Simulate a Procore failure').inputValue(), 'nothing')
    })
  }
})

t.test('while another import into the company runs, the page says when to try again', { skip }, async t => {
  const { page, url, emulator, countBatches } = await openImport(t)
  await choose(page, await writeFileOf(t, 'people.csv', csvOf(300)))
  emulator.faults.add({ ...slowBatch, delayMs: 2_000 })
  const other = sendImport(`${url}/companies/1234/users/import`, csvOf(1, 900))
  await waitUntil(() => countBatches() === 1)
  await click(page, 'Import')
  await waitForOutcome(page, 'import_in_progress')
  t.match(await outcome(page), 'Another import into this company is in progress.')
  t.match(await page.locator('#countdown').innerText(), /^Resume in \d s\.$/)
  await other
  await resumeToEnd(page)
})

t.test('an import that ends for the rate limit shows when to resume', { skip }, async t => {
  const { page, emulator } = await openImport(t)
  await choose(page, await writeFileOf(t, 'people.csv', csvOf(300)))
  emulator.faults.add({ method: 'GET', kind: 'status', status: 429, headers: { 'retry-after': '900' }, times: 9 })
  await click(page, 'Import')
  await waitForOutcome(page, 'procore_rate_limited')
  t.match(await page.locator('#countdown').innerText(), /^Resume in 1[45] min \d+ s\.$/)
  t.match(await outcome(page), 'Resume continues with the same idempotency key')
})

t.test('a file that cannot be imported is refused in words', { skip }, async t => {
  const { page, countBatches } = await openImport(t)
  const cases: Array<[content: string | Buffer, name: string, expected: string]> = [
    [Buffer.from('last_name,email_address\nM\xfcller,a@example.com\n', 'latin1'), 'a.csv', 'save it as "CSV UTF-8"'],
    ['last_name,email_address\n"Doe,a@example.com\n', 'a.csv', 'is not valid CSV near line 2'],
    ['last_name,email_address\n', 'a.csv', 'The file has no rows.'],
    ['', 'a.csv', 'The file has no rows.'],
    ['{"last_name":"Doe"}\n[1]\n', 'a.ndjson', 'Line 2 of the file is not a JSON object.'],
  ]
  for (const [content, name, expected] of cases) {
    await choose(page, await writeFileOf(t, name, content))
    await waitForOutcome(page, 'unreadable')
    await page.locator('#outcome').getByText(expected).waitFor()
    t.ok(await button(page, 'Import').isDisabled(), expected)
  }
  await t.test('also by the service, whose problem is shown', async t => {
    await choose(page, await writeFileOf(t, 'a.csv', 'last_name,email_address\nD\0e,a@example.com\n'))
    await click(page, 'Import')
    await waitForOutcome(page, 'malformed_csv')
    t.match(await outcome(page), 'The file has a NUL character')
    t.equal(await button(page, 'Resume').count(), 0)
  })
  t.equal(countBatches(), 0)
})

t.test('a file that is dropped on the page is chosen', { skip }, async t => {
  const { page } = await openImport(t)
  await page.evaluate(content => {
    const dataTransfer = new DataTransfer()
    dataTransfer.items.add(new File([content], 'dropped.csv', { type: 'text/csv' }))
    const zone = document.getElementById('drop')
    for (const type of ['dragover', 'drop']) zone?.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true }))
  }, csvOf(7))
  await page.getByText('dropped.csv: 7 rows').waitFor()
})

for (const colorScheme of ['light', 'dark'] as const) {
  t.test(`the page has no axe violation in ${colorScheme} mode`, { skip }, async t => {
    const { page } = await openImport(t)
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    t.strictSame(await findViolations(page), [], 'empty')
    await click(page, 'Use one with mistakes')
    await fieldOf(page, 'Last Name').selectOption('')
    await page.getByText('No column is mapped to last_name').waitFor()
    t.strictSame(await findViolations(page), [], 'with a column that is missing')
    await fieldOf(page, 'Last Name').selectOption('last_name')
    await click(page, 'Import')
    await waitForOutcome(page, 'finished')
    t.strictSame(await findViolations(page), [], 'with rows that failed')
  })
}

t.test('a narrow screen needs no horizontal scrolling', { skip }, async t => {
  const { page } = await openImport(t)
  await page.setViewportSize({ width: 320, height: 640 })
  await click(page, 'Use one with mistakes')
  await click(page, 'Import')
  await waitForOutcome(page, 'finished')
  const regions = ['html', '#columns .scroll', '#rows-scroll']
  for (const selector of regions) {
    t.ok(await page.locator(selector).evaluate(({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth), selector)
  }
  t.strictSame(await findViolations(page), [])
})
