/** What a look at a folder tells, and what it must not tell. */
import { mkdir, mkdtemp, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Folder, LARGEST_FILE, TOO_LARGE } from '../../../src/edge/manifests/folder.ts'
import { until } from '../../support/loopback.ts'

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

test('of a folder that is closed nothing is told, rather than a part', async () => {
  await writeFile(join(directory, 'one.yaml'), '')
  const folder = open()
  const looking = folder.look()
  folder.close()
  await expect(looking).rejects.toThrow('the folder is closed')
})

test('a file that has become too large is another file', async () => {
  const path = join(directory, 'one.yaml')
  await writeFile(path, 'a: 1\n')
  const folder = open()
  const signature = async () => (await folder.look()).get('one.yaml') ?? ''
  const before = await signature()
  await truncate(path, LARGEST_FILE + 1)
  expect(await folder.read('one.yaml', before)).toBeUndefined()
  expect(await folder.read('one.yaml', await signature())).toBe(TOO_LARGE)
})

test('a folder in the place of another is watched, also where it has its inode', async () => {
  const path = join(directory, 'manifests')
  await mkdir(path)
  const folder = open(path)
  await folder.look()
  const before = await stat(path, { bigint: true })
  // File systems that number every inode anew have nothing to show here.
  for (let tries = 0; tries < 200; tries++) {
    await rm(path, { recursive: true })
    await mkdir(path)
    const { ino, birthtimeNs } = await stat(path, { bigint: true })
    if (ino === before.ino && birthtimeNs !== before.birthtimeNs) break
  }
  await until('the end of the old folder is told', () => events > 0)
  await folder.look()
  events = 0
  await writeFile(join(path, 'one.yaml'), '')
  await until('what is in the new folder is told', () => events > 0)
})
