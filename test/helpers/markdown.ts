/** The pages of the documentation as data: their fenced blocks, tables, headings and links. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './spawn-program.ts'

/** Paths of all pages, from the root of the repository. */
export const pagePaths = globSync(['*.md', 'docs/**/*.md'], { cwd: root }).sort()

export interface Page {
  text: string
  /** Fenced blocks of a language, in their order. */
  codeBlocks (language: string): string[]
  /** Rows of the table whose first heading is given, cell by cell, without back quotes. */
  tableRows (heading: string): string[][]
  /** Anchors of the headings, as GitHub builds them. */
  anchors: string[]
  /** Relative links: the file, empty for the page itself, and the anchor, if any. */
  links: Array<{ file: string, anchor: string | undefined }>
}

export function readPage (path: string): Page {
  const text = readFileSync(join(root, path), 'utf8')
  return {
    text,
    codeBlocks: language => [...text.matchAll(/^```(\w*)\n([^]*?)\n```$/gm)]
      .filter(([, name]) => name === language)
      .map(([, , block = '']) => block),
    tableRows: heading => tableRows(text, heading),
    anchors: [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => toAnchor(title)),
    links: [...text.matchAll(/\]\(([\w./-]*)(?:#([\w-]+))?\)/g)].map(([, file = '', anchor]) => ({ file, anchor })),
  }
}

function tableRows (text: string, heading: string): string[][] {
  const lines = text.split('\n')
  const start = lines.findIndex(line => line.startsWith(`| ${heading} |`))
  if (start < 0) throw new Error(`The page has no table with the heading ${heading}.`)
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'))
  return lines.slice(start + 2, end).map(splitCells)
}

function splitCells (row: string): string[] {
  return row.split(/(?<!\\)\|/).slice(1, -1).map(cell => cell.trim().replaceAll('`', ''))
}

const toAnchor = (title: string) => title.toLowerCase().replace(/[^\w -]/g, '').replaceAll(' ', '-')
