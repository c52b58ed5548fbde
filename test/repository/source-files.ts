/** Source files as data, parsed by TypeScript. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { root } from '../helpers/spawn-program.ts'

export interface Source {
  /** Path from the root of the repository. */
  path: string
  tree: ts.SourceFile
  /** Every node, each before those in it. */
  nodes: readonly ts.Node[]
}

/** Parses the files that match the patterns, which are relative to the root of the repository. */
export function readSources (...patterns: string[]): Source[] {
  return globSync(patterns, { cwd: root }).sort().map(path => {
    const tree = ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.Latest, true)
    return { path, tree, nodes: collectNodes(tree) }
  })
}

function collectNodes (tree: ts.SourceFile): ts.Node[] {
  const nodes: ts.Node[] = []
  const add = (node: ts.Node) => {
    nodes.push(node)
    ts.forEachChild(node, add)
  }
  add(tree)
  return nodes
}

/** Returns a node's place and text for a failure message. */
export function describeNode ({ path, tree }: Source, node: ts.Node): string {
  const { line } = tree.getLineAndCharacterOfPosition(node.getStart())
  return `${path}:${line + 1} ${node.getText().slice(0, 80)}`
}

/** Returns the texts of string literals and regular expressions. Comments are not among them. */
export function literals ({ nodes }: Source): string[] {
  return nodes.flatMap(node => {
    if (ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) return [node.text]
    return ts.isStringLiteralLike(node) || ts.isRegularExpressionLiteral(node) ? [node.text] : []
  })
}

/** Returns the names of properties in object literals. */
export function propertyNames ({ nodes }: Source): string[] {
  return nodes.flatMap(node => ts.isPropertyAssignment(node) ? [node.name.getText().replaceAll('\'', '')] : [])
}

/** Returns `x as T`, `<T>x` and `x!`, but not `as const`, which narrows. */
export function findCasts ({ nodes }: Source): ts.Node[] {
  return nodes.filter(node =>
    (ts.isAsExpression(node) && node.type.getText() !== 'const') ||
    ts.isTypeAssertionExpression(node) ||
    ts.isNonNullExpression(node))
}
