/** Creates a certificate for an upstream with TLS. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Creates a certificate for `localhost` that signs itself. Returns the paths of its files. */
export function createCertificate (): { keyFile: string, certificateFile: string } {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'))
  const keyFile = join(directory, 'key.pem')
  const certificateFile = join(directory, 'certificate.pem')
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-keyout', keyFile, '-out', certificateFile,
  ], { stdio: 'ignore' })
  return { keyFile, certificateFile }
}
