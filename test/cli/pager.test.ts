/** A long answer in a pager, on a terminal that `script` makes. */
import { spawn, spawnSync } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Control } from '../../src/edge/operate/control.ts'
import { FakeEngine } from '../support/fake-engine.ts'
import { fakeView } from '../support/fake-view.ts'

/** Of util-linux: runs a command on a terminal of its own. */
const SCRIPT: string = 'script'
const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
let folder = ''
let control: Control

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-pager-'))
  const engine = new FakeEngine(fakeView(), (effect) => control.perform(effect))
  control = new Control({ path: join(folder, 'godwit.sock'), feed: engine.feed })
  await control.open()
})

afterAll(async () => {
  await control.close()
  await rm(folder, { recursive: true })
})

const isThere = spawnSync(SCRIPT, ['--version']).error === undefined

/** What `show route` leaves on a terminal, with this pager. */
async function shownBy(pager: string): Promise<{ readonly exit: unknown; readonly text: string }> {
  const command = `"${process.execPath}" "${MAIN}" -s "${folder}/godwit.sock" show route`
  const child = spawn(SCRIPT, ['-qfec', command, '/dev/null'], {
    env: { ...process.env, GODWIT_PAGER: pager },
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 20_000,
  })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += String(chunk)
  })
  const exit = await new Promise((resolve) => child.once('close', resolve))
  return { exit, text }
}

async function program(name: string, script: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, script)
  await chmod(path, 0o755)
  return path
}

test.skipIf(!isThere)('Ctrl-C is for the pager: godwit waits until it ends', async () => {
  // It reads first: by then godwit has answered and waits.
  const pager = await program('pager', '#!/bin/sh\ncat >/dev/null\nkill -INT $PPID\necho seen\n')
  expect(await shownBy(pager)).toEqual({ exit: 0, text: 'seen\r\n' })
})

test.skipIf(!isThere)('a pager that ends without reading has shown enough', async () => {
  expect(await shownBy(await program('short', '#!/bin/sh\necho seen\n'))).toEqual({ exit: 0, text: 'seen\r\n' })
})

test.skipIf(!isThere)('where the pager cannot be started the answer is shown without one', async () => {
  const plain = await shownBy('cat')
  expect(plain).toEqual({ exit: 0, text: expect.stringContaining('Table master4') })
  const odd = await program('odd', '#!/no/such/shell\n')
  const pagers = [folder, join(folder, 'none'), odd, join(odd, 'below')]
  for (const pager of pagers) expect(await shownBy(pager)).toEqual(plain)
})
