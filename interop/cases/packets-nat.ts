// NAT outgoing is a switch on each pool: what the server outside sees follows it, what is under way does not break.

import { ask, startDownload } from '../lab/ask.ts'
import { FAMILIES, type Family } from '../lab/lab.ts'
import type { Pod } from '../lab/pod.ts'
import { soon } from '../lab/soon.ts'
import { eventually } from '../lab/wait.ts'
import { type Case, expect } from './case.ts'
import { FABRIC_LIMIT, Fabric, needs, pool } from './fabric.ts'
import { seenAs } from './packets.ts'

const toggle = async (fabric: Fabric, one: Pod, far: Pod, family: Family): Promise<void> => {
  const server = fabric.server.address(family)
  const node = one.node.address(family)
  const outside = async (client: string): Promise<void> => {
    const seen = await ask(one.host, server)
    expect(seen.client === client, `${one.host.name} to ${server}: seen as ${seen.client}, not ${client}`)
  }
  const put = (natOutgoing: boolean) => fabric.manifests.put(pool(family, { natOutgoing }))
  await outside(one[family])

  const before = await startDownload(one.host, server)
  await soon(
    `natOutgoing of ${family} to take effect`,
    async (attempt) => {
      // Another try begins where the first one did.
      if (attempt > 0) {
        await put(false)
        await eventuallyOutside(outside, one[family])
      }
      await put(true)
    },
    () => outside(node),
  )
  expect((await before.seen) === one[family], `the download over ${family} that began without NAT was seen as another`)

  // Between pods, between nodes and pods, and inwards nothing is translated.
  await seenAs(one.host, far[family], one[family])
  await seenAs(fabric.client, one[family], fabric.client.address(family))
  await seenAs(one.node, far[family], node)

  const during = await startDownload(one.host, server)
  await outside(node)
  await soon(
    `the end of natOutgoing of ${family}`,
    async (attempt) => {
      if (attempt > 0) {
        await put(true)
        await eventuallyOutside(outside, node)
      }
      await put(false)
    },
    () => outside(one[family]),
  )
  expect((await during.seen) === node, `the download over ${family} that began with NAT was seen as another`)
}

const eventuallyOutside = (outside: (client: string) => Promise<void>, client: string): Promise<void> =>
  eventually(() => outside(client))

const nat: Case = {
  name: 'packets: natOutgoing switched under traffic',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    const fabric = await Fabric.build(bench)
    const one = await fabric.answeringPod(1)
    const far = await fabric.answeringPod(3)
    for (const family of FAMILIES) await toggle(fabric, one, far, family)
  },
}

export const cases: readonly Case[] = [nat]
