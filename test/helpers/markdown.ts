/** Reads the fenced code blocks and the tables of a Markdown page. */

/** Returns the code blocks of a language, in the order of the page. */
export function parseCodeBlocks (markdown: string, language: string): string[] {
  const blocks = [...markdown.matchAll(/^```(\w*)\n([^]*?)\n```$/gm)]
  return blocks.filter(([, name]) => name === language).map(([, , code = '']) => code)
}

/** Returns the rows of the table whose first column has this heading, cell by cell, without back quotes. */
export function parseTableRows (markdown: string, heading: string): string[][] {
  const lines = markdown.split('\n')
  const start = lines.findIndex(line => line.startsWith(`| ${heading} |`))
  if (start < 0) throw new Error(`The page has no table ${heading}.`)
  const end = lines.findIndex((line, index) => index > start && !line.startsWith('|'))
  const rows = lines.slice(start + 2, end < 0 ? undefined : end)
  return rows.map(row => row.split(/(?<!\\)\|/).slice(1, -1).map(cell => cell.trim().replaceAll('`', '')))
}
