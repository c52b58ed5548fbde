/**
 * Measures JSON creates as in creates.ts, but the requests to the upstream are encrypted, as those to Procore are. Each
 * contestant verifies the certificate of the upstream.
 */
import { createInterface } from 'node:readline'
import { startProgram } from '../test/helpers/start-program.ts'
import { createCertificate } from './certificate.ts'
import { createServiceContestant, peers, selectContestants, startIssuer } from './contestants.ts'
import { measureSaturation, measureWarm, type WarmContestant } from './create-load.ts'
import { resultsFolder, saveResults } from './helpers.ts'
import { readTls, type TlsMeasurement } from './result-schemas.ts'
import { tlsTable } from './tables.ts'

const { keyFile, certificateFile } = createCertificate()

const { child, url } = await startProgram('bench/upstream.ts', {
  TLS_KEY_FILE: keyFile, TLS_CERTIFICATE_FILE: certificateFile,
})
const handshakes = { all: 0, resumed: 0 }
if (child.stdout !== null) {
  createInterface({ input: child.stdout }).on('line', line => {
    if (line.includes('"handshake"')) handshakes.all++
    if (line.includes('"resumed":true')) handshakes.resumed++
  })
}
const contestants = selectContestants([await createServiceContestant(await startIssuer()), ...peers])
saveResults('tls.json', { measurements: await measureWarm(contestants, { url, certificateFile }, measure) })
process.stdout.write(`${tlsTable(readTls(resultsFolder))}\n`)
child.kill()

async function measure (contestant: WarmContestant): Promise<TlsMeasurement> {
  const before = { ...handshakes }
  const saturation = await measureSaturation(contestant)
  return {
    ...saturation,
    handshakes: handshakes.all - before.all,
    resumedHandshakes: handshakes.resumed - before.resumed,
  }
}
