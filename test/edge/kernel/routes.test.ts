/** Lines for `ip` and what it says; the rest is in the contract of kernels. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { RouteChange } from '../../../src/dataplane/kernel.ts'
import { Routes } from '../../../src/edge/kernel/routes.ts'
import { readFailures, renderChange } from '../../../src/edge/kernel/routes-batch.ts'
import { readLinks, readRoutes } from '../../../src/edge/kernel/routes-read.ts'
import { Monitor, runTool } from '../../../src/edge/kernel/tools.ts'
import type { Input } from '../../../src/engine/input.ts'
import { ownRoute } from '../../support/fake-kernel.ts'
import { until } from '../../support/loopback.ts'

const hop = { gateway: '10.0.0.3', interface: 'e0', onlink: false }
const change = (text: string): RouteChange => ({ action: 'add', route: ownRoute(text, hop) })

describe('what is written', () => {
  test.each<[RouteChange, string]>([
    [change('10.1.0.0/24'), 'route add 10.1.0.0/24 proto 171 metric 1024 table main via 10.0.0.3 dev e0'],
    [
      { action: 'remove', route: ownRoute('10.1.0.0/24') },
      'route del blackhole 10.1.0.0/24 proto 171 metric 1024 table main',
    ],
    [
      { action: 'replace', route: ownRoute('10.1.0.0/24', { ...hop, gateway: 'fe80::1', onlink: true }) },
      'route replace 10.1.0.0/24 proto 171 metric 1024 table main via inet6 fe80::1 dev e0 onlink',
    ],
    [
      { action: 'add', route: ownRoute('10.1.0.0/24', hop, { ...hop, gateway: '10.0.0.4' }) },
      'route add 10.1.0.0/24 proto 171 metric 1024 table main nexthop via 10.0.0.3 dev e0 nexthop via 10.0.0.4 dev e0',
    ],
  ])('%o', (one, line) => {
    expect(renderChange(one, 'main')).toBe(line)
  })
})

describe('what failed', () => {
  const changes = ['10.1.0.0/24', '10.2.0.0/24', '10.3.0.0/24'].map(change)
  const said = (stderr: string, code: number | undefined = 255, error?: string) =>
    readFailures({ code, stdout: '', stderr, error }, changes).map(({ index, reason }) => `${index} ${reason}`)

  test.each<[string, string[], string[]]>([
    ['nothing', said('', 0), []],
    ['one line', said('RTNETLINK answers: File exists\nCommand failed -:2\n'), ['1 File exists']],
    [
      'two, with the reason before each',
      said('Error: Nexthop has invalid gateway.\nCommand failed -:1\nCannot find device "x"\nCommand failed -:3\n'),
      ['0 Nexthop has invalid gateway.', '2 Cannot find device "x"'],
    ],
    [
      'all, where the tool gave up',
      said('Error: what is this?\n'),
      ['0 what is this?', '1 what is this?', '2 what is this?'],
    ],
    ['all, where it says nothing', said('').slice(0, 1), ['0 it ended with 255']],
  ])('%s', (_, found, expected) => {
    expect(found).toEqual(expected)
  })
})

describe('what is read', () => {
  test('rows that make no sense are left out', () => {
    const rows = [{ dst: 'nonsense', type: '1' }, { dst: '10.0.0.0/24', type: '77' }, 7, { type: '1' }]
    expect(readRoutes(JSON.stringify(rows), 'ipv4')).toEqual([])
    expect(readLinks('')).toEqual([])
  })
})

test('without ip the engine is told why, and every change fails', async () => {
  const inputs: Input[] = []
  const routes = new Routes({ feed: (input) => inputs.push(input), enter: ['/nowhere/at/all'] })
  routes.open()
  routes.perform({ kind: 'routes', seq: 1, changes: [change('10.1.0.0/24')] })
  await until('applied', () => inputs.some(({ kind }) => kind === 'applied'))
  await routes.stop()
  expect(inputs).toContainEqual({
    kind: 'kernel-trouble',
    what: 'routes',
    text: "the kernel's routes cannot be read: /nowhere/at/all is not installed",
  })
  expect(inputs).toContainEqual({
    kind: 'applied',
    what: 'routes',
    seq: 1,
    failed: [{ index: 0, reason: '/nowhere/at/all is not installed' }],
  })
})

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
