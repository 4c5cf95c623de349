/** Taking references out of a source file, each with the smallest piece around it that can go by itself. */
import type { Node } from 'oxc-parser'
import { type Binding, childrenOf, type Module, type Reference, readModule } from './syntax.ts'

/** A file without these references. */
export const withoutReferences = (module: Module, references: readonly Reference[]) =>
  without(module, piecesAround(references))

/**
 * A file of which something was taken out (`text`), without what then refers to nothing or is used by nothing. `wanted` is what others import from it; undefined where
 * others may come that nobody knows of. `unwanted` is what they imported before.
 */
export function tidied(
  path: string,
  before: Module,
  text: string,
  wanted: ReadonlySet<string> | undefined,
  unwanted: Iterable<string> = [],
): Module {
  const known = new Set(before.free.map(({ name }) => name))
  const used = new Set(before.bindings.filter(({ references }) => references > 0).map(({ name }) => name))
  for (const name of unwanted) used.add(name)
  for (let module = readModule(path, text); ; module = readModule(path, text)) {
    const dangling = module.free.filter(({ name }) => !known.has(name))
    const pieces = dangling.length > 0 ? piecesAround(dangling) : idle(module, used, wanted)
    if (pieces.length === 0) return module
    text = without(module, pieces)
  }
}

/** Whether a file does or offers anything, besides importing and having types of its own. */
export function isEmpty({ program, exports }: Module): boolean {
  const { body } = program as Node & { body: Node[] }
  return (
    exports.size === 0 &&
    body.every(({ type }) => /^(ImportDeclaration|TSTypeAliasDeclaration|TSInterfaceDeclaration)$/.test(type))
  )
}

/** A node that can go, and the node that it is an element of. */
interface Piece {
  node: Node
  list: Node
}

/** The pieces around references; when all elements of a list go, the list is a piece, or part of one. */
function piecesAround(references: readonly Reference[]): Piece[] {
  const pieces = new Map<Node, Piece>()
  const waiting = references.map(({ node, path }) => ({ node, path }))
  for (const { node, path } of waiting) {
    const piece = climb(node, path)
    if (!piece || pieces.has(piece.node)) continue
    pieces.set(piece.node, piece)
    const { list } = piece
    if (list.type === 'Program' || !elementsOf(list).every((element) => pieces.has(element))) continue
    const outside = path.slice(0, path.indexOf(list))
    waiting.push({ node: list, path: outside })
  }
  const all = [...pieces.values()]
  return all.filter(({ node }) => !all.some((other) => other.node !== node && contains(other.node, node)))
}

const contains = (outer: Node, inner: Node) => outer.start <= inner.start && inner.end <= outer.end

/** The smallest piece around a node. A property goes with its value only when that is gone as a whole. */
function climb(node: Node, path: readonly Node[]): Piece | undefined {
  let whole = true
  for (let at = node, i = path.length - 1; i >= 0; at = path[i]!, i--) {
    const list = path[i]!
    switch (list.type) {
      case 'ArrayExpression':
      case 'TSUnionType':
      case 'SwitchStatement':
      case 'ClassBody':
      case 'Program':
      case 'BlockStatement':
      case 'StaticBlock':
      case 'ImportDeclaration':
        if (elementsOf(list).includes(at)) return { node: at, list }
        break
      case 'ExportNamedDeclaration':
        if (elementsOf(list).includes(at)) return { node: at, list }
        break
      case 'VariableDeclaration':
        if (list.declarations.length > 1) return { node: at, list }
        break
      case 'ObjectExpression':
        if (whole) return { node: at, list }
        break
      case 'Property':
      case 'ArrowFunctionExpression':
      case 'TSAsExpression':
      case 'TSSatisfiesExpression':
        continue // still the whole of it
    }
    if (list.type !== 'SwitchCase') whole = false
  }
  return undefined
}

/** What a list consists of. */
function elementsOf(list: Node): readonly Node[] {
  switch (list.type) {
    case 'ArrayExpression':
      return list.elements.filter((element) => element !== null)
    case 'ObjectExpression':
      return list.properties
    case 'TSUnionType':
      return list.types
    case 'SwitchStatement':
      return list.cases
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
      return list.specifiers
    case 'VariableDeclaration':
      return list.declarations
    case 'Program':
    case 'BlockStatement':
    case 'StaticBlock':
    case 'ClassBody':
      return list.body
    default:
      return []
  }
}

/** What was used and is not any more, and does nothing by being there. */
function idle({ program, bindings }: Module, used: ReadonlySet<string>, wanted?: ReadonlySet<string>): Piece[] {
  const unused = bindings.filter((binding) => binding.references === 0 && used.has(binding.name) && silent(binding))
  const names = new Map(unused.flatMap(({ declarations, name }) => declarations.map((node) => [node, name] as const)))
  const found: { name: string; node: Node; path: readonly Node[] }[] = []
  const visit = (node: Node, path: readonly Node[]): void => {
    const name = names.get(node)
    const exported = path.slice(-2).some(({ type }) => type === 'ExportNamedDeclaration')
    if (name !== undefined && (!exported || (wanted && !wanted.has(name)))) found.push({ name, node, path })
    for (const [, child] of childrenOf(node)) visit(child, [...path, node])
  }
  visit(program, [])
  return piecesAround(found)
}

/** Whether it can go unnoticed: a local that was made by a call may be there for what the call does. */
function silent({ declarations, top }: Binding): boolean {
  return declarations.every((node) => {
    if (node.type === 'VariableDeclarator') return node.id.type === 'Identifier' && (top || !calls(node))
    return /^(Import.*Specifier|FunctionDeclaration|ClassDeclaration|TS\w+Declaration)$/.test(node.type)
  })
}

const calls = (node: Node): boolean =>
  /^(CallExpression|NewExpression|AwaitExpression|TaggedTemplateExpression)$/.test(node.type) ||
  (!/Function/.test(node.type) && childrenOf(node).some(([, child]) => calls(child)))

/** The text without the pieces, the comments that stand right above them, and the commas between. */
function without({ text, comments }: Module, pieces: readonly Piece[]): string {
  const gone = new Set(pieces.map(({ node }) => node))
  const cuts = pieces.map(({ node, list }): [start: number, end: number] => {
    const start = withComments(text, comments, node.start)
    const siblings = elementsOf(list)
    const next = siblings[siblings.indexOf(node) + 1]
    const previous = siblings[siblings.indexOf(node) - 1]
    if (list.type === 'TSUnionType') {
      const pipe = text.lastIndexOf('|', node.start - 1)
      const bare = pipe < (previous?.end ?? list.start)
      return bare ? [node.start, next?.start ?? node.end] : [text.slice(0, pipe).trimEnd().length, node.end]
    }
    if (
      [
        'ArrayExpression',
        'ObjectExpression',
        'ImportDeclaration',
        'ExportNamedDeclaration',
        'VariableDeclaration',
      ].includes(list.type)
    ) {
      const at = siblings.indexOf(node)
      if (next && siblings.slice(at).some((one) => !gone.has(one)))
        return [start, withComments(text, comments, next.start)]
      return [siblings.slice(0, at).findLast((one) => !gone.has(one))?.end ?? start, node.end]
    }
    const line = /^[ \t]*\n?/.exec(text.slice(node.end))![0]
    const indent = line.endsWith('\n') ? /[ \t]*$/.exec(text.slice(0, start))![0].length : 0
    return [start - indent, node.end + line.length]
  })
  let rest = ''
  let at = 0
  for (const [start, end] of cuts.sort(([a], [b]) => a - b)) {
    if (start > at) rest += text.slice(at, start)
    at = Math.max(at, end)
  }
  return rest + text.slice(at)
}

/** Where a piece begins with the comments right above it. */
function withComments(text: string, comments: Module['comments'], start: number): number {
  let from = start
  for (const comment of comments.toReversed()) {
    if (comment.end > from) continue
    const between = text.slice(comment.end, from)
    if (/^[ \t]*\n?[ \t]*$/.test(between) && /(^|\n)[ \t]*$/.test(text.slice(0, comment.start))) from = comment.start
    else break
  }
  return from
}
