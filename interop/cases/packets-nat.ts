// NAT outgoing is a switch on each pool: what the server outside sees follows it, what is under way does not break.

import { ask, startDownload, startUpload, type Transfer } from '../lab/ask.ts'
import { FAMILIES, type Family, type Host } from '../lab/lab.ts'
import { ipPool } from '../lab/manifests.ts'
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

/** Of pools that overlap the most specific decides, for its own addresses alone. */
const overlap = async (fabric: Fabric, one: Pod, far: Pod, family: Family): Promise<void> => {
  const server = fabric.server.address(family)
  const seen = async (pod: Pod, client: string): Promise<void> =>
    eventually(async () => {
      const answer = await ask(pod.host, server)
      expect(answer.client === client, `${pod.host.name} to ${server}: seen as ${answer.client}, not ${client}`)
    })
  const bits = family === 'ipv4' ? 32 : 128
  const inner = (natOutgoing: boolean) => ipPool(`one-${family}`, `${one[family]}/${bits}`, { natOutgoing })
  await fabric.manifests.put(pool(family, { natOutgoing: true }), inner(false))
  await seen(far, far.node.address(family))
  await seen(one, one[family])
  await fabric.manifests.put(pool(family), inner(true))
  await seen(one, one.node.address(family))
  await seen(far, far[family])
  await fabric.manifests.remove(inner(true))
  await seen(one, one[family])
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

/** Long enough for all that happens meanwhile. */
const UPLOAD = { lines: 60, pause: 0.15 }
const IDLE = { lines: 1, pause: 9 }

interface Flow extends Transfer {
  readonly what: string
}

const startFlows = async (from: Host, server: string): Promise<readonly Flow[]> => [
  { what: 'an upload', ...(await startUpload(from, server, UPLOAD)) },
  { what: 'a download', ...(await startDownload(from, server)) },
  { what: 'an idle connection', ...(await startUpload(from, server, IDLE)) },
]

const allSeenAs = async (flows: readonly Flow[], family: Family, client: string): Promise<void> => {
  for (const { what, seen } of flows) {
    const other = await seen.catch((error: unknown) => String(error))
    expect(other === client, `${what} over ${family} from before NAT: ${other}, not ${client}`)
  }
}

const isTranslated = (from: Host, server: string, node: string): Promise<void> =>
  eventually(async () => {
    const { client } = await ask(from, server)
    expect(client === node, `a new connection to ${server} is seen as ${client}, not ${node}`)
  })

/** Counts at the server what comes with this source address. */
const countFrom = async (server: Host, family: Family, source: string): Promise<() => Promise<number>> => {
  const word = family === 'ipv4' ? 'ip' : 'ip6'
  const table = `inet seen_${family}`
  const chain = `chain input { type filter hook input priority 0; ${word} saddr ${source} counter\n }`
  await server.must(['nft', '-f', '-'], { input: `table ${table} { ${chain}\n}\n` })
  return async () => {
    const text = await server.must(['nft', 'list', 'table', ...table.split(' ')])
    return Number(/counter packets (\d+)/.exec(text)?.[1] ?? 0)
  }
}

const begunBefore: Case = {
  name: 'packets: natOutgoing switched on for the first time resets no connection',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench, 'conntrack')
    const fabric = await Fabric.build(bench)
    const pod = await fabric.answeringPod(1)
    const { host: node } = fabric.node(1)
    const forget = () => node.run(['conntrack', '-D', '-p', 'tcp', '--dport', '8082'])
    const servers = FAMILIES.map((family) => fabric.server.address(family))

    const before = await Promise.all(servers.map((server) => startFlows(pod.host, server)))
    await fabric.manifests.put(...FAMILIES.map((family) => pool(family, { natOutgoing: true })))
    for (const family of FAMILIES) await isTranslated(pod.host, fabric.server.address(family), node.address(family))
    // What connection tracking had learned of them is lost: they are as new to it as before.
    await forget()
    for (const [index, family] of FAMILIES.entries()) await allSeenAs(before[index] ?? [], family, pod[family])

    // Two hours later: a translated connection whose entry is lost does not show the pod's address.
    await node.must(['nft', 'flush', 'set', 'inet', 'godwit', 'begun'])
    const later = await Promise.all(servers.map((server) => startUpload(pod.host, server, UPLOAD)))
    const counts = await Promise.all(FAMILIES.map((family) => countFrom(fabric.server, family, pod[family])))
    await forget()
    for (const { seen } of later) await seen.catch(() => {})
    for (const count of counts) {
      const shown = await count()
      expect(shown === 0, `${shown} packets of a translated connection showed the pod's address`)
    }
    const text = await node.must(['nft', 'list', 'set', 'inet', 'godwit', 'begun'])
    expect(!text.includes('elements'), `the time is over, and the agent gave it back: ${text}`)
  },
}

const overlaps: Case = {
  name: 'packets: natOutgoing of pools that overlap',
  speakers: 'once',
  limit: FABRIC_LIMIT,
  async run(bench) {
    await needs(bench)
    const fabric = await Fabric.build(bench)
    const one = await fabric.answeringPod(1)
    const far = await fabric.answeringPod(3)
    for (const family of FAMILIES) await overlap(fabric, one, far, family)
  },
}

export const cases: readonly Case[] = [nat, begunBefore, overlaps]
