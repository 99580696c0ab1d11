// Another program empties all of nftables, again and again: where nft and the kernel know tables that belong to a process,
// no translated flow notices.

import { join } from 'node:path'
import { ask, startUpload } from '../lab/ask.ts'
import { FAMILIES } from '../lab/lab.ts'
import { programOf, trixieRoot } from '../lab/root-folder.ts'
import { run } from '../lab/run.ts'
import { eventually } from '../lab/wait.ts'
import { type Case, expect, Skip } from './case.ts'
import { DUAL, FABRIC_LIMIT, Fabric, needs, pool } from './fabric.ts'

const HELD = 'table inet godwit_try { flags owner, persist; }\n'
const FLUSHES = 20

const flushed: Case = {
  name: 'packets: nft flush ruleset of another program breaks no translated flow',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    const root = await trixieRoot()
    if (root.kind === 'none') throw new Skip(root.reason)
    const known = await run(['chroot', root.path, 'nft', '-c', '-f', '-'], { input: HELD })
    if (known.code !== 0)
      throw new Skip(`no nft and kernel that know owner and persist: ${known.stderr.split('\n')[0]}`)
    const programs = await programOf(root.path, 'nft', join(bench.lab.directory, 'programs'))
    const fabric = await Fabric.build(bench, { ...DUAL, programs })
    const pod = await fabric.answeringPod(1)
    const { host: node, agent } = fabric.node(1)
    const servers = FAMILIES.map((family) => ({ family, address: fabric.server.address(family) }))
    const translated = (): Promise<void> =>
      eventually(async () => {
        for (const { family, address } of servers) {
          const { client } = await ask(pod.host, address)
          expect(client === node.address(family), `${address} sees ${client}`)
        }
      })
    const flush = () => node.must(['nft', 'flush', 'ruleset'])
    const handle = async () =>
      /# handle (\d+)/.exec(await node.must(['nft', '-a', 'list', 'table', 'inet', 'godwit']))?.[1]

    await fabric.manifests.put(...FAMILIES.map((family) => pool(family, { natOutgoing: true })))
    await translated()
    const before = await handle()
    const uploads = await Promise.all(
      servers.map(({ address }) => startUpload(pod.host, address, { lines: 40, pause: 0.1 })),
    )
    for (let count = 0; count < FLUSHES; count++) await flush()
    for (const [index, { family }] of servers.entries()) {
      const seen = await uploads[index]?.seen
      expect(seen === node.address(family), `the upload over ${family} was seen as ${seen}`)
    }
    expect((await handle()) === before, 'the table is another one')

    // Killed, and started again: the table stays, and is nobody else's once more.
    await agent.kill()
    await agent.start()
    await eventually(async () => {
      const text = await node.must(['nft', 'list', 'table', 'inet', 'godwit'])
      expect(/flags .*owner/.test(text), 'the new agent does not hold the table')
    })
    await flush()
    expect((await handle()) === before, 'the table is another one after a restart')
    await translated()
  },
}

export const cases: readonly Case[] = [flushed]
