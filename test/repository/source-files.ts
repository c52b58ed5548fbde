/**
 * Source files as data, read by TypeScript's own parser: what they import and export, how long they are, what they excuse themselves from.
 * bench/style.ts makes figures of it, test/repository/tidy.test.ts rules. It knows nothing of types, so that reading the house takes a second.
 */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** The folder of the repository, with a slash at its end. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** A file that was read and parsed. */
export interface Source {
  /** From the root of the repository. */
  path: string
  tree: ts.SourceFile
}

/** One import, static or dynamic, or a re-export. */
export interface Import {
  /** A path from the root of the repository, or the name of a package. */
  target: string
  /** What is taken by name; `*` stands for all of it. */
  names: string[]
  /** It is gone when the program runs. */
  isTypeOnly: boolean
  /** It is carried out when it is come to, not when the file is loaded. */
  isDeferred: boolean
}

/** From the line on which it begins to that on which it ends. */
export interface NamedFunction { name: string, lines: number }

/** @param patterns from the root of the repository, as `globSync` takes them */
export function readSources (...patterns: string[]): Source[] {
  return globSync(patterns, { cwd: root }).sort().map(path => ({ path, tree: parseTree(path, readFileSync(join(root, path), 'utf8')) }))
}

/** @param path tells the parser which language it is */
export const parseTree = (path: string, text: string): ts.SourceFile => ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)

const nodeCache = new WeakMap<ts.SourceFile, ts.Node[]>()

/** Every node of a tree, each before those in it. */
export function collectNodes (tree: ts.SourceFile): readonly ts.Node[] {
  const nodes = nodeCache.get(tree) ?? []
  const add = (node: ts.Node) => {
    nodes.push(node)
    ts.forEachChild(node, add)
  }
  if (nodes.length === 0) add(tree)
  nodeCache.set(tree, nodes)
  return nodes
}

/** Counted from 1. */
export const getLine = ({ tree }: Source, position: number): number => tree.getLineAndCharacterOfPosition(position).line + 1

/** Lines of a file without the empty one after its last line feed. */
export const countLines = ({ tree }: Source): number => tree.text.trimEnd().split('\n').length

/** Everything that a file takes from others, wherever in it. */
export function findImports (source: Source): Import[] {
  return collectNodes(source.tree).flatMap(node => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return parseImportDeclaration(source, node)
    return ts.isCallExpression(node) ? parseImportCall(source, node) : []
  })
}

function parseImportDeclaration (source: Source, node: ts.ImportDeclaration | ts.ExportDeclaration): Import[] {
  if (node.moduleSpecifier === undefined || !ts.isStringLiteral(node.moduleSpecifier)) return []
  const target = resolveSpecifier(source, node.moduleSpecifier.text)
  if (ts.isExportDeclaration(node)) return [{ target, names: ['*'], isTypeOnly: node.isTypeOnly, isDeferred: false }]
  const { importClause: clause } = node
  const names = clause?.name === undefined ? [] : ['default']
  if (clause?.namedBindings !== undefined) names.push(...ts.isNamespaceImport(clause.namedBindings) ? ['*'] : clause.namedBindings.elements.map(({ propertyName, name }) => (propertyName ?? name).text))
  return [{ target, names, isTypeOnly: clause?.phaseModifier === ts.SyntaxKind.TypeKeyword, isDeferred: false }]
}

/** `import('./x.ts')` and `require('./x')`. */
function parseImportCall (source: Source, node: ts.CallExpression): Import[] {
  const [argument] = node.arguments
  const isDynamic = node.expression.kind === ts.SyntaxKind.ImportKeyword
  if (argument === undefined || !ts.isStringLiteral(argument) || !(isDynamic || node.expression.getText() === 'require')) return []
  const isDeferred = isDynamic || ts.findAncestor(node, ts.isFunctionLike) !== undefined
  return [{ target: resolveSpecifier(source, argument.text), names: importedNames(node), isTypeOnly: false, isDeferred }]
}

/** Those of `const { a, b } = await import(…)`, else all. */
function importedNames (node: ts.CallExpression): string[] {
  const declaration = ts.isAwaitExpression(node.parent) ? node.parent.parent : node.parent
  if (!ts.isVariableDeclaration(declaration) || !ts.isObjectBindingPattern(declaration.name)) return ['*']
  return declaration.name.elements.map(({ propertyName, name }) => (propertyName ?? name).getText())
}

function resolveSpecifier (source: Source, specifier: string): string {
  if (!specifier.startsWith('.')) return packageName(specifier)
  const base = join(dirname(source.path), specifier)
  return [base, `${base}.js`, join(base, 'index.js')].find(path => existsSync(join(root, path)) && statSync(join(root, path)).isFile()) ?? base
}

/** `node:` modules are one package. */
const packageName = (specifier: string) => specifier.startsWith('node:') ? 'node:' : specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')

/** Names that a file offers to others. */
export const findExports = ({ tree }: Source): string[] => tree.statements.flatMap(exportedNames)

/** Names that a file offers without a doc comment; for what it begins with, its opening is one. */
export function findUndocumentedExports ({ tree }: Source): string[] {
  const hasDoc = (statement: ts.Statement) => {
    const last = ts.getLeadingCommentRanges(tree.text, statement.getFullStart())?.at(-1)
    return last !== undefined && tree.text.startsWith('/**', last.pos)
  }
  return tree.statements.filter(statement => !hasDoc(statement)).flatMap(exportedNames)
}

function exportedNames (statement: ts.Statement): string[] {
  if (ts.isExportDeclaration(statement)) return statement.exportClause !== undefined && ts.isNamedExports(statement.exportClause) ? statement.exportClause.elements.map(({ name }) => name.text) : ['*']
  if (ts.isExportAssignment(statement)) return ['default']
  const isExported = ts.canHaveModifiers(statement) && ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true
  return isExported ? declaredNames(statement) : []
}

function declaredNames (statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map(({ name }) => name.getText())
  const name = ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement) || ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement) ? statement.name?.text : undefined
  return name === undefined ? [] : [name]
}

/** Groups of files that wait for each other when they are loaded; types and late imports wait for nobody. */
export function findImportCycles (sources: readonly Source[]): string[][] {
  const edges = new Map(sources.map(source => [source.path, findImports(source).filter(({ isTypeOnly, isDeferred }) => !isTypeOnly && !isDeferred).map(({ target }) => target)]))
  const reached = new Map([...edges.keys()].map(path => [path, reachableFrom(path, edges)]))
  const groups = [...edges.keys()].filter(path => reached.get(path)?.has(path)).map(path => [...reached.get(path) ?? []].filter(other => reached.get(other)?.has(path)).sort().join(' '))
  return [...new Set(groups)].map(group => group.split(' '))
}

function reachableFrom (path: string, edges: ReadonlyMap<string, readonly string[]>): Set<string> {
  const reached = new Set<string>()
  const open = [...edges.get(path) ?? []]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (reached.has(next) || !edges.has(next)) continue
    reached.add(next)
    open.push(...edges.get(next) ?? [])
  }
  return reached
}

/** Functions, methods, accessors and constructors that have a name, be it that of the constant they are given to; overloads have no lines. */
export function findFunctions (source: Source): NamedFunction[] {
  return collectNodes(source.tree).filter(ts.isFunctionLike).flatMap(node => {
    const name = functionName(node)
    return name === undefined || !('body' in node) || node.body === undefined ? [] : [{ name, lines: getLine(source, node.getEnd()) - getLine(source, node.getStart()) + 1 }]
  })
}

function functionName (node: ts.SignatureDeclaration): string | undefined {
  if (ts.isConstructorDeclaration(node)) return 'constructor'
  if (node.name !== undefined) return node.name.getText()
  const { parent } = node
  return ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent) || ts.isPropertyDeclaration(parent) ? parent.name.getText() : undefined
}

/** How many of its lines hold a comment or part of one. */
export function countCommentLines (source: Source): number {
  const lines = new Set<number>()
  const add = ({ pos, end }: ts.CommentRange) => {
    for (let line = getLine(source, pos); line <= getLine(source, end); line++) lines.add(line)
  }
  const { text } = source.tree
  for (const token of collectTokens(source.tree, source.tree)) {
    ts.getLeadingCommentRanges(text, token.getFullStart())?.forEach(add)
    ts.getTrailingCommentRanges(text, token.getEnd())?.forEach(add)
  }
  return lines.size
}

function collectTokens (tree: ts.SourceFile, node: ts.Node, tokens: ts.Node[] = []): ts.Node[] {
  const children = node.getChildren(tree)
  if (children.length === 0) tokens.push(node)
  for (const child of children) collectTokens(tree, child, tokens)
  return tokens
}

/** The comment that a file opens with; lines of comment that follow each other are one. */
export function getOpeningComment ({ tree }: Source): string {
  const comments = ts.getLeadingCommentRanges(tree.text, ts.getShebang(tree.text)?.length ?? 0) ?? []
  const next = comments.findIndex(({ kind }) => kind !== ts.SyntaxKind.SingleLineCommentTrivia)
  const last = comments[next < 0 ? comments.length - 1 : Math.max(0, next - 1)]
  return tree.text.slice(comments[0]?.pos ?? 0, last?.end ?? 0)
}

/** Every `any` as a type. */
export const findAnyTypes = (source: Source): ts.Node[] => collectNodes(source.tree).filter(({ kind }) => kind === ts.SyntaxKind.AnyKeyword)

/** `x as T`, `<T>x` and `x!`, but not `as const`, which narrows. */
export function findCasts (source: Source): ts.Node[] {
  return collectNodes(source.tree).filter(node => (ts.isAsExpression(node) && node.type.getText() !== 'const') || ts.isTypeAssertionExpression(node) || ts.isNonNullExpression(node))
}
