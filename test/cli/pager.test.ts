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

test.skipIf(!isThere)('Ctrl-C is for the pager: godwit waits until it ends', async () => {
  // It reads first: by then godwit has answered and waits.
  const pager = join(folder, 'pager')
  await writeFile(pager, '#!/bin/sh\ncat >/dev/null\nkill -INT $PPID\necho seen\n')
  await chmod(pager, 0o755)
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
  expect([exit, text]).toEqual([0, 'seen\r\n'])
})
