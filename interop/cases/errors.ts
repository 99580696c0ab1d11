// What is wrong between two neighbors is told in words on both sides, and as the NOTIFICATION the RFC names.

import { fileURLToPath } from 'node:url'
import type { Host } from '../lab/lab.ts'
import { bgpPeer } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { type Case, expect } from './case.ts'
import { CLUSTER_AS, Cluster, configuration, POOLS, ROUTER_AS, routerNetworks } from './rack.ts'

const wrongAs = (who: 'we' | 'they'): Case => ({
  name: `errors: ${who} expect the wrong AS`,
  speakers: 'each',
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const router = await lab.host('router', 1)
    await cluster.manifests.put(
      configuration(),
      ...POOLS,
      bgpPeer('router', router.ipv4, who === 'we' ? 65099 : ROUTER_AS),
    )
    const neighbors = [{ address: host.ipv4, asn: who === 'they' ? 64999 : CLUSTER_AS }]
    const side = await speaker.start(router, { asn: ROUTER_AS, neighbors, networks: routerNetworks(1) })
    await agent.start()
    await eventually(async () => {
      const ours = await agent.lastErrors()
      expect(/peer AS/i.test(ours), `our last error is “${ours}”`)
      expect(ours.includes(who === 'we' ? 'BGP Error: ' : 'Received: '), `our last error is “${ours}”`)
    })
    // GoBGP says nothing of a NOTIFICATION that comes before the session is up.
    if (who === 'we' && speaker.kind === 'gobgp') return
    await eventually(async () => {
      const theirs = await side.errors(host.ipv4)
      expect(
        /peer.AS|AS number mismatch|AS unacceptable|Bad AS|subcode":2|0202/i.test(theirs),
        `their last error is “${theirs}”`,
      )
    })
  },
})

const PROBE = fileURLToPath(new URL('../lab/probe.ts', import.meta.url))

interface Sent {
  readonly asn: number
  readonly holdTime: number
  readonly routerId: string
  readonly quiet?: boolean
  /** Octets in hex that follow once the session is up. */
  readonly after?: string
}

/** The code and subcode of the NOTIFICATION that ended the conversation. */
const notificationFor = async (
  from: Host,
  to: Host,
  { asn, holdTime, routerId, quiet = false, after }: Sent,
): Promise<string> => {
  const rest = quiet ? ['quiet'] : after === undefined ? [] : [after]
  const words = [process.execPath, PROBE, to.ipv4, String(asn), String(holdTime), routerId, ...rest]
  const bytes = Buffer.from((await from.must(words)).trim(), 'hex')
  for (let at = 0; at + 19 <= bytes.length; at += bytes.readUInt16BE(at + 16)) {
    if (bytes[at + 18] === 3) return `${bytes[at + 19]}/${bytes[at + 20]}`
  }
  return `none in ${bytes.toString('hex')}`
}

const MARKER = 'ff'.repeat(16)

/** What ends a session that is up; the attributes are those of a good route. */
const BREACHES = [
  { what: 'a broken marker', after: `${'ff'.repeat(15)}fe001304`, notification: '1/1', words: /marker/i },
  { what: 'a length of 18', after: `${MARKER}001204`, notification: '1/2', words: /length/i },
  { what: 'a message of type 9', after: `${MARKER}001309`, notification: '1/3', words: /type/i },
  {
    what: 'a prefix of 33 bits',
    after: `${MARKER}002f0200000012400101004002040201fde94003040a4d0001210af4630000`,
    notification: '3/10',
    words: /network|prefix/i,
  },
]

const refusals: Case = {
  name: 'errors: each refusal is the NOTIFICATION the RFC names',
  speakers: 'once',
  async run({ lab }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const rows = [
      {
        what: 'a hold time of 1',
        sent: { asn: ROUTER_AS, holdTime: 1, routerId: '10.77.0.1' },
        notification: '2/6',
        words: /hold time/i,
      },
      {
        what: 'a hold time of 2',
        sent: { asn: ROUTER_AS, holdTime: 2, routerId: '10.77.0.2' },
        notification: '2/6',
        words: /hold time/i,
      },
      {
        what: 'our own router ID over iBGP',
        sent: { asn: CLUSTER_AS, holdTime: 90, routerId: host.ipv4 },
        notification: '2/3',
        words: /identifier/i,
      },
      {
        what: 'router ID zero',
        sent: { asn: ROUTER_AS, holdTime: 90, routerId: '0.0.0.0' },
        notification: '2/3',
        words: /identifier/i,
      },
      {
        what: 'no KEEPALIVE',
        sent: { asn: ROUTER_AS, holdTime: 3, routerId: '10.77.0.5', quiet: true },
        notification: '4/0',
        words: /hold timer/i,
      },
      {
        what: 'another AS',
        sent: { asn: 65055, holdTime: 90, routerId: '10.77.0.6' },
        notification: '2/2',
        words: /peer AS/i,
      },
      ...BREACHES.map(({ after, ...row }, index) => ({
        ...row,
        sent: { asn: ROUTER_AS, holdTime: 90, routerId: `10.77.0.${7 + index}`, after },
      })),
    ]
    const peers = rows.map((row, index) =>
      bgpPeer(`probe-${index + 1}`, `10.77.0.${index + 1}`, row.sent.asn === CLUSTER_AS ? CLUSTER_AS : ROUTER_AS, {
        passive: true,
      }),
    )
    await cluster.manifests.put(configuration(), ...POOLS, ...peers)
    const probes: Host[] = []
    for (const [index] of rows.entries()) probes.push(await lab.host(`probe-${index + 1}`, index + 1))
    await agent.start()
    const faults: string[] = []
    for (const [index, row] of rows.entries()) {
      const probe = probes[index]
      if (probe === undefined) continue
      const got = await notificationFor(probe, host, row.sent)
      if (got !== row.notification) faults.push(`${row.what}: ${got} instead of ${row.notification}`)
      const said = (await agent.protocols()).find(({ peer }) => peer === probe.ipv4)?.lastError ?? ''
      if (!row.words.test(said)) faults.push(`${row.what}: last error is “${said}”`)
    }
    expect(faults.length === 0, faults.join('; '))
  },
}

export const cases: readonly Case[] = [wrongAs('we'), wrongAs('they'), refusals]
