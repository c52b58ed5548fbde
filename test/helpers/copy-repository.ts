/** Copies the files of the repository that Git knows or would add. */
import { execFile } from 'node:child_process'
import { cp, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { root } from './spawn-program.ts'

const exec = promisify(execFile)

/** @param isCopied decides by the path from the root */
export async function copyRepository (directory: string, isCopied = (_file: string) => true): Promise<void> {
  const { stdout } = await exec('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  for (const file of stdout.split('\0').filter(file => file !== '' && isCopied(file))) {
    await mkdir(join(directory, dirname(file)), { recursive: true })
    await cp(join(root, file), join(directory, file))
  }
}
