import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Changes, filesBelow, undoUnfinished } from '../changes.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'offshoot-changes-'))
  mkdirSync(join(root, 'src'))
  mkdirSync(join(root, 'old/deep'), { recursive: true })
  writeFileSync(join(root, 'src/a.ts'), 'a\n')
  writeFileSync(join(root, 'src/windows.ts'), 'a\r\nb\r\n')
  writeFileSync(join(root, 'old/deep/b.ts'), 'b\n')
})
afterEach(() => rmSync(root, { recursive: true }))

/** Everything that is in the tree, with its text. */
const tree = () =>
  Object.fromEntries(filesBelow(root, '.').map((path) => [path, readFileSync(join(root, path), 'utf8')]))

function someChanges(): Changes {
  const changes = new Changes(root)
  changes.write('src/a.ts', 'changed\n')
  changes.write('src/windows.ts', `${changes.read('src/windows.ts')}c\n`)
  changes.write('new/folder/c.ts', 'new\n')
  changes.remove('old/deep/b.ts')
  return changes
}

const after = { 'new/folder/c.ts': 'new\n', 'src/a.ts': 'changed\n', 'src/windows.ts': 'a\r\nb\r\nc\r\n' }

describe('changes', () => {
  it('are seen at once by whoever makes them, and by nobody else until they are applied', async () => {
    const before = tree()
    const changes = someChanges()
    expect(changes.read('src/windows.ts')).toBe('a\nb\nc\n')
    expect(changes.read('old/deep/b.ts')).toBeUndefined()
    expect(changes.list('src')).toEqual(['src/a.ts', 'src/windows.ts'])
    expect(changes.list('new')).toEqual(['new/folder/c.ts'])
    expect(tree()).toEqual(before)
    await changes.apply()
    expect(tree()).toEqual(after)
    expect(existsSync(join(root, 'old'))).toBe(false)
    expect(undoUnfinished(root)).toBe(false)
  })

  it('are none when all is as it was', () => {
    const changes = new Changes(root)
    changes.write('src/a.ts', 'other\n')
    changes.write('src/a.ts', 'a\n')
    changes.write('src/windows.ts', 'a\nb\n')
    changes.remove('src/never.ts')
    expect(changes.files.size).toBe(0)
  })

  it('are shown as git shows them, ends of lines included', () => {
    const diff = someChanges().diff()
    expect(diff).toContain('--- a/src/a.ts\n+++ b/src/a.ts\n@@ -1 +1 @@\n-a\n+changed\n')
    expect(diff).toContain('+++ b/new/folder/c.ts')
    expect(diff).toContain('deleted file')
    expect(diff).toContain('+c\r\n')
    expect(diff).not.toContain('-b\r\n')
  })

  it('are taken back as a whole when what follows fails', async () => {
    const before = tree()
    const changes = someChanges()
    const failing = changes.apply(async () => {
      expect(tree()).toEqual(after)
      throw new Error('no network')
    })
    await expect(failing).rejects.toThrow('no network')
    expect(tree()).toEqual(before)
    expect(existsSync(join(root, 'new'))).toBe(false)
  })

  it('are taken back by whoever comes next when the process was killed', async () => {
    const before = tree()
    const program = `
      import { Changes } from ${JSON.stringify(join(import.meta.dirname, '../changes.ts'))}
      const changes = new Changes(${JSON.stringify(root)})
      changes.write('src/a.ts', 'changed')
      changes.write('src/c.ts', 'new')
      changes.write('new/folder/c.ts', 'new')
      changes.remove('old/deep/b.ts')
      await changes.apply(() => new Promise((resolve) => { console.log('written'); setTimeout(resolve, 60_000) }))`
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program])
    await once(child.stdout, 'data')
    expect(tree()).not.toEqual(before)
    child.kill('SIGKILL')
    await once(child, 'close')
    writeFileSync(join(root, 'src/c.ts.new~'), 'ne') // as if it had been writing then
    expect(undoUnfinished(root)).toBe(true)
    expect(tree()).toEqual(before)
    expect(existsSync(join(root, 'new'))).toBe(false)
  })

  it('take a folder away with what git ignores in it', async () => {
    mkdirSync(join(root, 'old/node_modules'))
    writeFileSync(join(root, 'old/node_modules/x'), '')
    const changes = new Changes(root)
    changes.removeDirectory('old')
    expect([...changes.files]).toEqual([['old/deep/b.ts', null]])
    await changes.apply()
    expect(existsSync(join(root, 'old'))).toBe(false)
  })
})
