/** Running tools, and watching with one. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Monitor, runTool } from '../../../src/edge/kernel/tools.ts'
import { until } from '../../support/loopback.ts'

test('a monitor that ends is started again, and that is a hint', async () => {
  let hints = 0
  const monitor = new Monitor({ command: ['true'], hint: () => hints++, restartDelay: 1 })
  await until('three starts', () => hints >= 3)
  monitor.stop()
})

const hasSetpriv = (await runTool(['setpriv', '--version'])).code === 0

test.skipIf(!hasSetpriv)(
  `a monitor ends with us, even by SIGKILL${hasSetpriv ? '' : ' (no setpriv here)'}`,
  async () => {
    const module = new URL('../../../src/edge/kernel/tools.ts', import.meta.url)
    const script = `
    const { Monitor } = await import(${JSON.stringify(module.href)})
    const monitor = new Monitor({ command: ['tail', '-f', '/dev/null'], hint: () => console.log(monitor.pid) })
    setInterval(() => {}, 1_000)`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [said] = (await once(parent.stdout, 'data')) as [Buffer]
    const pid = Number(said.toString().split('\n')[0])
    const lives = () => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    expect(lives()).toBe(true)
    parent.kill('SIGKILL')
    await until('its end', () => !lives())
  },
)

test('a tool that fails to start is an outcome, not a fault', async () => {
  expect(await runTool(['/nowhere/at/all'])).toMatchObject({
    code: undefined,
    error: '/nowhere/at/all is not installed',
  })
})
