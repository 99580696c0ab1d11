/** What a look at a folder tells, and what it must not tell. */
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Folder } from '../../../src/edge/manifests/folder.ts'

let directory: string
let folder: Folder | undefined
let events: number

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'godwit-folder-'))
  events = 0
})
afterEach(async () => {
  folder?.close()
  await rm(directory, { recursive: true })
})

function open(path = directory): Folder {
  folder = new Folder(path, () => events++)
  return folder
}

/** The longest path that Linux takes, and the longest name. */
const [PATH, NAME] = [4095, 255]

test('a file whose status cannot be read has not vanished', async () => {
  // As in a folder that may be listed but not searched, which root cannot have: with its name, the path is too long.
  const name = `${'n'.repeat(NAME - 5)}.yaml`
  await writeFile(join(directory, name), '')
  const detour = 'd'.repeat(NAME)
  await symlink('.', join(directory, detour))
  let path = directory
  while (path.length + 1 + NAME <= PATH) path = join(path, detour)
  const folder = open(path)
  const signature = (await folder.look()).get(name)
  expect(signature).toBeDefined()
  expect(await folder.read(name, signature ?? '')).toBe('cannot be read: Name too long')
})

test('a link to nowhere has not vanished', async () => {
  await symlink('nowhere', join(directory, 'link.yaml'))
  const folder = open()
  const signature = (await folder.look()).get('link.yaml') ?? ''
  expect(await folder.read('link.yaml', signature)).toBe('is a link to a file that does not exist')
})
