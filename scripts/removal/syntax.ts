/** What the names in a source file refer to, as far as the removal of a domain needs it. */
import { type Node, parseSync } from 'oxc-parser'

/** A name that is declared somewhere in a file. */
export interface Binding {
  name: string
  /** What declares it: an import specifier, a declarator, a function, a type … A value and a type may share a name. */
  declarations: Node[]
  /** References from outside of its own declarations. */
  references: number
  /** Declared at the top of the file. */
  top: boolean
}

export interface Reference {
  name: string
  node: Node
  /** The nodes around it, the outermost first. */
  path: readonly Node[]
}

export interface Module {
  text: string
  program: Node
  comments: readonly { start: number; end: number }[]
  bindings: Binding[]
  /** References to what is not declared in the file, such as `Promise`. */
  free: Reference[]
  imports: Import[]
  /** Names under which something is exported. */
  exports: Set<string>
}

/** One name that is imported or re-exported from elsewhere; `*` for all of them, undefined for none in particular. */
export interface Import {
  specifier: string
  name: string | undefined
  reference: Reference
}

interface Scope {
  names: Map<string, Binding>
  parent: Scope | undefined
}

const scopes =
  /^(Program|Function.*|ArrowFunctionExpression|TSDeclareFunction|TSEmptyBodyFunctionExpression|BlockStatement|StaticBlock|For.*Statement|SwitchStatement|CatchClause|Class.*|TSModuleBlock|TSInterfaceDeclaration|TSTypeAliasDeclaration|TSMappedType|TSConditionalType|TSFunctionType|TSConstructorType|TSMethodSignature|TSCallSignatureDeclaration|TSConstructSignatureDeclaration|TSIndexSignature)$/

type Bag = Record<string, unknown>

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Bag).type === 'string'

export function childrenOf(node: Node): [key: string, child: Node][] {
  const children: [key: string, child: Node][] = []
  for (const [key, value] of Object.entries(node)) {
    if (isNode(value)) children.push([key, value])
    else if (Array.isArray(value)) for (const child of value) if (isNode(child)) children.push([key, child])
  }
  return children
}

export function readModule(path: string, text: string): Module {
  const { program, comments, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path} cannot be parsed: ${errors[0]!.message}`)
  const found: Module = { text, program, comments, bindings: [], free: [], imports: [], exports: new Set() }
  const scopeOf = new Map<Node, Scope>()
  const waiting: { reference: Reference; scope: Scope }[] = []

  function declare(scope: Scope, name: string, declaration: Node): void {
    let binding = scope.names.get(name)
    if (!binding) {
      binding = { name, declarations: [], references: 0, top: scope.parent === undefined }
      scope.names.set(name, binding)
      found.bindings.push(binding)
    }
    binding.declarations.push(declaration)
  }
  function declarePattern(scope: Scope, pattern: Node, declaration: Node): void {
    if (pattern.type === 'Identifier') declare(scope, pattern.name, declaration)
    else if (pattern.type === 'AssignmentPattern') declarePattern(scope, pattern.left, declaration)
    else if (pattern.type === 'RestElement') declarePattern(scope, pattern.argument, declaration)
    else if (pattern.type === 'TSParameterProperty') declarePattern(scope, pattern.parameter, declaration)
    else if (pattern.type === 'ArrayPattern')
      for (const element of pattern.elements) element && declarePattern(scope, element, declaration)
    else if (pattern.type === 'ObjectPattern')
      for (const property of pattern.properties)
        declarePattern(scope, property.type === 'Property' ? property.value : property, declaration)
  }

  /** Declares everything first: names may be used before the line that declares them. */
  function declareAll(node: Node, outer: Scope | undefined): void {
    let scope = outer!
    if (scopes.test(node.type)) {
      scope = { names: new Map(), parent: outer }
      scopeOf.set(node, scope)
    }
    const inside = outer ?? scope
    switch (node.type) {
      case 'ImportSpecifier':
      case 'ImportDefaultSpecifier':
      case 'ImportNamespaceSpecifier':
        declare(inside, node.local.name, node)
        break
      case 'VariableDeclaration':
        for (const one of node.declarations) declarePattern(inside, one.id, one)
        break
      case 'FunctionDeclaration':
      case 'ClassDeclaration':
      case 'TSTypeAliasDeclaration':
      case 'TSInterfaceDeclaration':
      case 'TSEnumDeclaration':
      case 'TSDeclareFunction':
        if (node.id) declare(inside, node.id.name, node)
        break
      case 'FunctionExpression':
      case 'ClassExpression':
        if (node.id) declare(scope, node.id.name, node)
        break
      case 'CatchClause':
        if (node.param) declarePattern(scope, node.param, node.param)
        break
      case 'TSTypeParameter':
        declare(inside, (node.name as unknown as { name?: string }).name ?? String(node.name), node)
        break
      case 'TSMappedType':
        declare(scope, (node.key as unknown as { name: string }).name, node.key as Node)
        break
    }
    const { params, parameters } = node as unknown as Bag
    for (const list of [params, parameters])
      if (Array.isArray(list) && scopeOf.has(node))
        for (const one of list) if (isNode(one) && one.type !== 'TSTypeParameter') declarePattern(scope, one, one)
    for (const [, child] of childrenOf(node)) declareAll(child, scope)
  }

  function refer(node: Node, key: string, around: readonly Node[], outer: Scope): void {
    const parent = around.at(-1)
    const scope = scopeOf.get(node) ?? outer
    const path = [...around, node]
    if (node.type === 'Identifier') {
      if (parent && isReference(key, parent)) {
        const reference = { name: node.name, node, path: around }
        waiting.push({ reference, scope })
      }
    } else collect(node, path)
    for (const [name, child] of childrenOf(node)) {
      if (name === 'key' && node.type === 'Property' && node.shorthand) continue
      refer(child, name, path, scope)
    }
  }

  function collect(node: Node, path: readonly Node[]): void {
    const add = (source: unknown, name: string | undefined, at: Node) => {
      const { value } = (source ?? {}) as { value?: unknown }
      if (typeof value === 'string')
        found.imports.push({ specifier: value, name, reference: { name: value, node: at, path: path.slice(0, -1) } })
    }
    if (node.type === 'ImportDeclaration') {
      if (node.specifiers.length === 0) add(node.source, undefined, node)
      for (const one of node.specifiers) {
        const imported =
          one.type === 'ImportSpecifier'
            ? nameOf(one.imported)
            : one.type === 'ImportDefaultSpecifier'
              ? 'default'
              : '*'
        add(node.source, imported, one)
        found.imports.at(-1)!.reference.path = path
      }
    } else if (node.type === 'ExportAllDeclaration') {
      add(node.source, '*', node)
      found.exports.add('*')
    } else if (node.type === 'ExportNamedDeclaration') {
      for (const one of node.specifiers) {
        found.exports.add(nameOf(one.exported))
        if (!node.source) continue
        add(node.source, nameOf(one.local), one)
        found.imports.at(-1)!.reference.path = path
      }
      for (const name of declaredBy(node.declaration)) found.exports.add(name)
    } else if (node.type === 'ExportDefaultDeclaration') found.exports.add('default')
    else if (node.type === 'ImportExpression') add(node.source, '*', node)
    else if (node.type === 'TSImportType') {
      const { qualifier } = node as unknown as Bag
      add(node.source, isNode(qualifier) && qualifier.type === 'Identifier' ? qualifier.name : '*', node)
    }
  }

  declareAll(program, undefined)
  for (const [key, child] of childrenOf(program)) refer(child, key, [program], scopeOf.get(program)!)
  for (const { reference, scope } of waiting) {
    let at: Scope | undefined = scope
    while (at && !at.names.has(reference.name)) at = at.parent
    const binding = at?.names.get(reference.name)
    if (!binding) found.free.push(reference)
    else if (!binding.declarations.some((one) => reference.path.includes(one))) binding.references++
  }
  return found
}

const nameOf = (node: Node): string =>
  (node as { name?: string; value?: string }).name ?? (node as { value: string }).value

function declaredBy(declaration: Node | null): string[] {
  if (!declaration) return []
  if (declaration.type !== 'VariableDeclaration') return [nameOf((declaration as { id: Node }).id)]
  const names: string[] = []
  const read = (pattern: Node): void => {
    if (pattern.type === 'Identifier') names.push(pattern.name)
    else for (const [key, child] of childrenOf(pattern)) if (key !== 'key') read(child)
  }
  for (const { id } of declaration.declarations) read(id)
  return names
}

/** Whether an identifier stands there for what it names, and is not a declaration, a key or a member. */
function isReference(key: string, parent: Node): boolean {
  switch (parent.type) {
    case 'MemberExpression':
      return key !== 'property' || parent.computed
    case 'Property':
    case 'PropertyDefinition':
    case 'MethodDefinition':
    case 'AccessorProperty':
    case 'TSPropertySignature':
    case 'TSMethodSignature':
      return key !== 'key' || parent.computed
    case 'ExportSpecifier':
      return key === 'local'
    case 'ImportSpecifier':
    case 'ImportDefaultSpecifier':
    case 'ImportNamespaceSpecifier':
    case 'ImportAttribute':
    case 'MetaProperty':
    case 'LabeledStatement':
    case 'BreakStatement':
    case 'ContinueStatement':
      return false
    default:
      return !(named[parent.type] ?? ['params']).includes(key)
  }
}

/** Where nodes name something anew, or something of another; of all that are not listed, in their parameters. */
const named: Readonly<Record<string, readonly string[]>> = {
  VariableDeclarator: ['id'],
  FunctionDeclaration: ['id', 'params'],
  FunctionExpression: ['id', 'params'],
  ClassDeclaration: ['id'],
  ClassExpression: ['id'],
  CatchClause: ['param'],
  AssignmentPattern: ['left'],
  TSTypeAliasDeclaration: ['id'],
  TSInterfaceDeclaration: ['id'],
  TSEnumDeclaration: ['id'],
  TSEnumMember: ['id'],
  TSModuleDeclaration: ['id'],
  TSDeclareFunction: ['id', 'params'],
  TSTypeParameter: ['name'],
  TSMappedType: ['key'],
  TSNamedTupleMember: ['label'],
  TSQualifiedName: ['right'],
  TSImportType: ['qualifier'],
  TSIndexSignature: ['parameters'],
}
