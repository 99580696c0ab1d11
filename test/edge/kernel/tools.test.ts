/** Running tools. */

import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { Poller, runTool } from '../../../src/edge/kernel/tools.ts'

test('a tool that fails to start is an outcome, not a fault', async () => {
  expect(await runTool(['/nowhere/at/all'])).toMatchObject({
    code: undefined,
    error: '/nowhere/at/all is not installed',
  })
})

test('a tool that Node does not even try to start is an outcome', async () => {
  expect(await runTool(['true\0'])).toMatchObject({ code: undefined, error: expect.stringContaining('null bytes') })
})

test('a tool that somebody kills says so', async () => {
  const outcome = await runTool(['sh', '-c', 'kill -TERM $$'])
  expect(outcome).toMatchObject({ code: undefined, error: 'sh was ended by SIGTERM' })
})

test('without a free descriptor a tool is an outcome too', () => {
  const tools = new URL('../../../src/edge/kernel/tools.ts', import.meta.url).pathname
  const script = `
    import { openSync } from 'node:fs'
    import { Poller, runTool } from ${JSON.stringify(tools)}
    try { for (;;) openSync('/dev/null', 'r') } catch {}
    runTool(['true']).then(({ code, error }) => process.stdout.write(JSON.stringify({ code: code ?? null, error })))
  `
  const limited = 'ulimit -n 64 && exec "$0" --input-type=module --eval "$1"'
  const { stdout } = spawnSync('sh', ['-c', limited, process.execPath, script], { encoding: 'utf8' })
  expect(JSON.parse(stdout)).toEqual({ code: null, error: expect.stringContaining('Too many open files') })
})

test('while a tool hangs, one reading waits, and what is written after it is read again', async () => {
  const done: string[] = []
  const hangs = Promise.withResolvers<void>()
  const poller = new Poller({ look: async () => void done.push('read') })
  void poller.run(() => hangs.promise)
  for (let hint = 0; hint < 100; hint++) void poller.now()
  void poller.run(async () => void done.push('written'))
  const last = poller.now()
  for (let hint = 0; hint < 100; hint++) void poller.now()
  hangs.resolve()
  await last
  expect(done).toEqual(['read', 'written', 'read'])
  await poller.stop()
})
