// Nothing resets without need: fields that people change on running sessions, and what the router counts of its session.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FIELD_CHANGES } from '../../src/cluster/field-changes.ts'
import type { Kind } from '../../src/cluster/source.ts'
import type { Host } from '../lab/lab.ts'
import { bgpFilter, bgpPeer, ipPool, type KubeObject } from '../lab/manifests.ts'
import { eventually } from '../lab/wait.ts'
import { protocolName } from '../speakers/bird.ts'
import type { Router, Speaker } from '../speakers/speaker.ts'
import { type Case, expect, sessionsUp } from './case.ts'
import { agentSessionsUp, CLUSTER_AS, Cluster, configuration, POOLS, ROUTER_AS, routerNetworks } from './rack.ts'

type Spec = Readonly<Record<string, unknown>>

/** Each on top of those before it. */
const OF_PEER: readonly (readonly [field: string, spec: Spec])[] = [
  ['holdTime', { holdTime: '60s' }],
  ['keepaliveTime', { keepaliveTime: '10s' }],
  ['connectRetryTime', { connectRetryTime: '5s' }],
  ['passive', { passive: true }],
  ['maxPrefixes', { maxPrefixes: { ipv4: { limit: 5_000 } } }],
  ['maxRouteMemoryMiB', { maxRouteMemoryMiB: 16 }],
  ['maxRestartTime', { maxRestartTime: '90s' }],
  ['fastExternalFailover', { fastExternalFailover: false }],
  ['bfd', { bfd: { passive: true } }],
  ['filters', { filters: ['none-in'] }],
  ['filters', { filters: ['none-out'] }],
  ['filters', { filters: [] }],
  ['advertiseLearned', { advertiseLearned: true }],
  ['nextHopMode', { nextHopMode: 'Self' }],
  ['numAllowedLocalASNumbers', { numAllowedLocalASNumbers: 1 }],
  ['drain', { drain: true }],
  ['drain', { drain: false }],
]

/** Other words for the same session, which mean a reset where they mean another one. */
const SAME_SESSION = ({ ipv4 }: Host): readonly (readonly [field: string, spec: Spec])[] => [
  ['remoteAS', { asNumber: undefined, remoteAS: 'external' }],
  ['nodeSelector', { nodeSelector: 'all()' }],
  ['peerIP', { peerIP: `${ipv4}:179` }],
  ['sourceAddress', { sourceAddress: 'None' }],
  ['sourceAddress', { sourceAddress: 'UseNodeIP' }],
  ['asNumber', { asNumber: ROUTER_AS, remoteAS: undefined }],
  ['peerIP', { peerIP: ipv4 }],
  ['nodeSelector', { nodeSelector: undefined }],
]

const OF_CONFIGURATION: readonly (readonly [field: string, spec: Spec])[] = [
  ['serviceClusterIPs', { serviceClusterIPs: [{ cidr: '10.96.0.0/16' }] }],
  ['serviceLoadBalancerIPs', { serviceLoadBalancerIPs: [{ cidr: '192.0.2.0/24' }] }],
  ['multipath', { multipath: { paths: 4 } }],
  ['preferOldestPath', { preferOldestPath: true }],
  ['recursiveNextHops', { recursiveNextHops: true }],
  ['natOutgoingExclusions', { natOutgoingExclusions: 'IPPoolsAndHostIPs' }],
  ['nodeMeshMaxRestartTime', { nodeMeshMaxRestartTime: '60s' }],
  ['serviceDamping', { serviceDamping: {} }],
  ['podCIDRSource', { podCIDRSource: 'Node' }],
  ['listenPort', { listenPort: 1790 }],
]

const FILTERS = [
  bgpFilter('none-in', { importV4: [{ action: 'Reject' }] }),
  bgpFilter('none-out', { exportV6: [{ action: 'Reject' }] }),
]

/** What the table says of a field, where it is not a reset. */
const expectStays = (kind: Kind, field: string): void => {
  const stays = FIELD_CHANGES[kind]?.some((row) => row.field === field && row.change !== 'hard')
  expect(stays === true, `${kind} ${field} is not a field that leaves sessions as they are`)
}

/** All that the router has written about sessions that ended, beside the end of the test itself. */
const lossesOf = async (router: Router, { kind }: Speaker): Promise<number> => {
  const files = (await readdir(router.host.directory)).filter((name) => name.endsWith('.log'))
  const texts = await Promise.all(files.map((name) => readFile(join(router.host.directory, name), 'utf8')))
  const words =
    kind === 'frr' ? /%ADJCHANGE: neighbor \S+ in vrf \S+ Down|%ADJCHANGE: neighbor \S+ Down/ : /: BGP session closed/
  return texts
    .join('\n')
    .split('\n')
    .filter((line) => words.test(line)).length
}

const walk: Case = {
  name: 'changes: fields that people change on a running session reset it only where the table says so',
  speakers: ['frr', 'bird'],
  limit: 240_000,
  async run({ lab, speaker }) {
    const cluster = new Cluster(lab)
    const { host, agent } = await cluster.node(1)
    const router = await lab.host('router', 1)
    let peerSpec: Spec = {}
    let clusterSpec: Spec = {}
    let step = 0
    /** The community of the pod routes tells that the router has what the agent read. */
    const objects = (): readonly KubeObject[] => {
      const cidrs = ['10.244.0.0/16', 'fd00:244::/32']
      const advertised = cidrs.map((cidr) => ({ cidr, communities: [`64512:${1_000 + step}`] }))
      return [
        bgpPeer('router', router.ipv4, ROUTER_AS, peerSpec),
        configuration({ ...clusterSpec, prefixAdvertisements: advertised }),
      ]
    }
    await cluster.manifests.put(...POOLS, ...FILTERS, ...objects())
    const side = await speaker.start(router, {
      asn: ROUTER_AS,
      neighbors: [{ address: host.ipv4, asn: CLUSTER_AS }],
      networks: routerNetworks(1),
    })
    if (speaker.kind === 'bird') await side.say(`debug ${protocolName({ address: host.ipv4 })} all`)
    const arrived = async (): Promise<void> =>
      eventually(async () => {
        const routes = await side.routes('ipv4')
        const there = routes.some(({ communities }) => communities.includes(`64512:${1_000 + step}`))
        expect(there, `the router has no route of step ${step}`)
      })
    await agent.start()
    await sessionsUp(side, 1)
    await agentSessionsUp(agent, 1)
    await arrived()
    const before = await lossesOf(side, speaker)
    const change = async (kind: Kind, field: string): Promise<void> => {
      step += 1
      await cluster.manifests.put(...objects())
      await arrived()
      const lost = (await lossesOf(side, speaker)) - before
      expect(lost === 0, `${kind} ${field}: the router lost its session`)
    }
    for (const [field, spec] of OF_PEER) {
      expectStays('BGPPeer', field)
      peerSpec = { ...peerSpec, ...spec }
      await change('BGPPeer', field)
    }
    for (const [field, spec] of SAME_SESSION(router)) {
      peerSpec = { ...peerSpec, ...spec }
      await change('BGPPeer', field)
    }
    for (const [field, spec] of OF_CONFIGURATION) {
      expectStays('BGPConfiguration', field)
      clusterSpec = { ...clusterSpec, ...spec }
      await change('BGPConfiguration', field)
    }
    await cluster.manifests.put(ipPool('more', '10.245.0.0/16', { natOutgoing: true }))
    await change('IPPool', 'natOutgoing')
    await sessionsUp(side, 1)

    // The count sees a reset where there is one.
    peerSpec = { ...peerSpec, passive: false, extendedNextHop: true }
    step += 1
    await cluster.manifests.put(...objects())
    await eventually(async () => {
      expect((await lossesOf(side, speaker)) > before, 'a field that resets left nothing in the log of the router')
    })
    await sessionsUp(side, 1)
  },
}

export const cases: readonly Case[] = [walk]
