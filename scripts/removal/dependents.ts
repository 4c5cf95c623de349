/** Which domains cannot do without another. One that merely reacts to what happens there can: it stays and reacts no more. */
import type { Node } from 'oxc-parser'
import type { Tree } from './tree.ts'

export interface Dependent {
  domain: string
  needs: string
  /** Where it says so. */
  file: string
  why: string
}

/** The domains that go when these go, in turn, each with the reason. */
export function dependents(tree: Tree, names: readonly string[]): Dependent[] {
  const found: Dependent[] = []
  const gone = new Set(names)
  for (let before = -1; before < gone.size; ) {
    before = gone.size
    for (const domain of tree.domains.filter((one) => !gone.has(one))) {
      const dependent = needs(tree, domain, gone)
      if (!dependent) continue
      found.push(dependent)
      gone.add(domain)
    }
  }
  return found
}

function needs(tree: Tree, domain: string, gone: ReadonlySet<string>): Dependent | undefined {
  const folder = `packages/domains/${domain}`
  const goneIn = (file: string) => tree.otherDomains(file).find((other) => gone.has(other))
  for (const file of reachedFrom(tree, `${folder}/src/contract.ts`)) {
    const needed = goneIn(file)
    if (needed) return { domain, needs: needed, file, why: 'its contract is made of parts of the other' }
  }
  const main = `${folder}/src/domain.ts`
  const called = calledBy(tree, main)
  const needed = called.find((other) => gone.has(other))
  if (needed) return { domain, needs: needed, file: main, why: 'it calls the other (`uses`)' }

  const commands = tree.module(`${folder}/src/contract.ts`).imports.some(({ name }) => name === 'command')
  const heard = tree
    .paths(new RegExp(`^${folder}/src/.*\\.ts$`))
    .flatMap((file) => tree.otherDomains(file).map((other) => ({ file, other })))
    .filter(({ other }) => !called.includes(other))
  const [first] = heard
  if (!commands && first && heard.every(({ other }) => gone.has(other)))
    return { domain, needs: first.other, file: first.file, why: 'all that it does is to react to it' }
  return undefined
}

/** A file and what it loads of its own package. */
function reachedFrom(tree: Tree, start: string): string[] {
  const reached = new Set([start])
  for (const file of reached)
    if (tree.has(file))
      for (const { specifier } of tree.module(file).imports) {
        const target = tree.resolve(file, specifier)
        if (specifier.startsWith('.') && target && tree.has(target)) reached.add(target)
      }
  return [...reached].filter((file) => tree.has(file))
}

/** The domains whose contracts stand under `uses`. */
function calledBy(tree: Tree, main: string): string[] {
  const { program, imports } = tree.module(main)
  const names = new Set<string>()
  const visit = (node: Node): void => {
    if (node.type === 'Property' && node.key.type === 'Identifier' && node.key.name === 'uses')
      JSON.stringify(node.value, (key, value) => {
        if (key === 'name' && typeof value === 'string') names.add(value)
        return value
      })
    for (const value of Object.values(node))
      for (const child of Array.isArray(value) ? value : [value])
        if (typeof child === 'object' && child !== null && 'type' in child) visit(child as Node)
  }
  visit(program)
  return imports
    .filter(({ name }) => name !== undefined && names.has(name))
    .map(({ specifier }) => tree.domainOf(tree.resolve(main, specifier) ?? ''))
    .filter((other) => other !== undefined)
}
