/** The README as data: its fenced blocks and its tables. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './spawn-program.ts'

export const readme = readFileSync(join(root, 'README.md'), 'utf8')

/** The blocks of a language, in their order. */
export function codeBlocks (language: string): string[] {
  return [...readme.matchAll(/^```(\w*)\n([^]*?)\n```$/gm)].filter(([, name]) => name === language).map(match => match[2] ?? '')
}

/** The rows of the table whose first heading this is, cell by cell, without back quotes. */
export function tableRows (heading: string): string[][] {
  const lines = readme.split('\n')
  const start = lines.findIndex(line => line.startsWith(`| ${heading} |`))
  if (start < 0) throw new Error(`no table ${heading}`)
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'))
  return lines.slice(start + 2, end).map(line => line.split(/(?<!\\)\|/).slice(1, -1).map(cell => cell.trim().replaceAll('`', '')))
}
