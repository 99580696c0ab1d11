// The README's own example: both sides of deploy/examples/rack, as they stand there, and the commands beside them.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { must } from '../lab/run.ts'
import { eventually } from '../lab/wait.ts'
import { type Case, expect, routerHolds } from './case.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const MAIN = join(ROOT, 'src/main.ts')
const RACK = 'deploy/examples/rack'

const NODE = { ipv4: '10.0.0.11', ipv6: 'fd00:10::11' }
const TOLD = [
  ['10.244.1.0/24', NODE.ipv4],
  ['192.0.2.0/24', NODE.ipv4],
  ['2001:db8:2::/64', NODE.ipv6],
  ['fd00:244:1::/64', NODE.ipv6],
] as const

const readme: Case = {
  name: 'readme: the example of a rack, both sides as written',
  speakers: 'frr',
  async run({ lab, speaker }) {
    const node = await lab.host('worker-1', 11)
    const router = await lab.host('rack-router', 1)
    for (const [host, number] of [
      [node, '11'],
      [router, '1'],
    ] as const) {
      await must(host.inside(['ip', 'address', 'add', `10.0.0.${number}/24`, 'dev', 'eth0']))
      await must(host.inside(['ip', 'address', 'add', `fd00:10::${number}/64`, 'dev', 'eth0', 'nodad']))
    }
    const raw = await readFile(join(ROOT, RACK, 'frr.conf'), 'utf8')
    const frr = await speaker.start(router, { asn: 65000, neighbors: [], raw })

    const socket = join(node.directory, 'godwit.sock')
    const agent = ['agent', '--node', 'worker-1', '--source', join(ROOT, RACK)]
    node.start('agent', [process.execPath, MAIN, ...agent, '--control', socket])
    await routerHolds(
      frr,
      TOLD.map(([prefix, nextHop]) => ({ prefix, nextHop, from: NODE.ipv4, asPath: '64512' })),
    )

    const godwit = (...words: string[]) => must(node.inside([process.execPath, MAIN, '-s', socket, ...words]))
    expect(/Global_10_0_0_1 .* Established/.test(await godwit('show', 'protocols')), 'show protocols')
    const exported = await godwit('show', 'route', 'export', 'Global_10_0_0_1')
    for (const [prefix] of TOLD) expect(exported.includes(prefix), `show route export lacks ${prefix}`)
    await eventually(async () => {
      const rows = JSON.parse(await godwit('--json', 'show', 'route')) as { prefix: string }[]
      expect(rows.length === TOLD.length, `--json show route has ${rows.length} rows`)
    })
  },
}

export const cases: readonly Case[] = [readme]
