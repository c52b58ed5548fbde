/** Creates a self-signed certificate. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'

export interface TlsFiles {
  certFile: string
  keyFile: string
  cert: Buffer
  key: Buffer
}

/** @param names subject alternative names, such as `DNS:localhost` */
export async function createTlsFiles (t: Test, ...names: string[]): Promise<TlsFiles> {
  const directory = await mkdtemp(join(tmpdir(), 'tls-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const keyFile = join(directory, 'key.pem')
  const certFile = join(directory, 'cert.pem')
  await promisify(execFile)('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=test', '-addext', `subjectAltName=${names.join()}`, '-keyout', keyFile, '-out', certFile,
  ])
  return { certFile, keyFile, cert: readFileSync(certFile), key: readFileSync(keyFile) }
}
