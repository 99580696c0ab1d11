/**
 * The inputs of Calico's own golden tests, and what Calico makes of them: neighbors with all they are configured with, which
 * pools are exported, routes of services and blocks, communities. Each row is the same here, or a difference that is listed.
 */
import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../../src/base/address.ts'
import { parsePrefix } from '../../../src/base/prefix.ts'
import type { PeerIntent } from '../../../src/cluster/intent.ts'
import { type NodePreview, previewNode } from '../../../src/preview/node.ts'
import { storeOf } from '../../support/cluster.ts'
import type { ApiObject } from '../../support/objects.ts'
import { BLOCKS, block, CONFIRMED, type GoldenPeer, NODE, objectsOf, ROWS } from './rows.ts'

const quad = (id: number | undefined): string | undefined =>
  id === undefined ? undefined : [24, 16, 8, 0].map((bits) => (id >>> bits) & 255).join('.')

/** What a neighbor is configured with, in the words of the goldens. */
function wordsOf(peer: PeerIntent, asNumber: number | null) {
  const { remoteAs, localAs, reflection, exportPolicy, importPolicy } = peer
  const filters = [importPolicy, exportPolicy].map(({ name }) =>
    name.split(', ').flatMap((one) => (one.startsWith('BGPFilter/') ? [one.slice('BGPFilter/'.length)] : [])),
  )
  const nextHop = exportPolicy.rules.find(({ name }) => name.startsWith('next hop'))?.name
  return {
    address: peer.address,
    as: remoteAs === 'internal' ? localAs : remoteAs,
    port: peer.port,
    localAs: localAs === asNumber ? undefined : localAs,
    source: peer.sourceAddress,
    client: reflection?.client === true,
    clusterId: reflection?.client === true ? quad(reflection.clusterId) : undefined,
    nextHop: nextHop?.includes('keep') ? 'keep' : nextHop?.includes('self') ? 'self' : undefined,
    ttlSecurity: peer.ttlSecurity,
    restartTime: peer.restartTime === 120 ? undefined : peer.restartTime,
    allowedOwnAs: peer.allowedOwnAs === 0 ? undefined : peer.allowedOwnAs,
    internal: remoteAs === 'internal' || remoteAs === localAs,
    filters: filters[0],
    held: peer.held,
  }
}

/** Confd cuts long names of filters for BIRD. */
const isFilter = (ours: string, theirs: string): boolean => {
  const [start = '', hash] = theirs.split(/_(?=[0-9A-F]{16}$)/)
  return hash === undefined ? ours === theirs : ours.startsWith(start)
}

function peerDifferences(name: string, golden: GoldenPeer, peer: PeerIntent, asNumber: number | null): string[] {
  const { filters = [], ...ours } = wordsOf(peer, asNumber)
  const { filters: theirFilters = [], passive = false, ...theirs } = golden
  const wanted = {
    ...{ port: 179, localAs: undefined, source: undefined, clusterId: undefined, nextHop: undefined },
    ...{ ttlSecurity: undefined, restartTime: undefined, allowedOwnAs: undefined, client: false, held: undefined },
    ...theirs,
    ...(theirs.localAs === asNumber && { localAs: undefined }),
  }
  const names = Object.keys(wanted) as (keyof typeof ours)[]
  const found = names
    .filter((field) => ours[field] !== wanted[field as keyof typeof wanted])
    .map((field) => `${name}.${field}: ${wanted[field as keyof typeof wanted]} there, ${ours[field]} here`)
  // In the mesh one of two waits for the other. Elsewhere both connect, and RFC 4271 §6.8 says which connection stays.
  if (peer.kind === 'Mesh' && passive !== peer.waits)
    found.push(`${name}.passive: ${passive} there, ${peer.waits} here`)
  const same =
    theirFilters.length === filters.length && theirFilters.every((one, at) => isFilter(filters[at] ?? '', one))
  // A filter with rules of one direction or family stands there only where it says something.
  const isSubset = theirFilters.every((one) => filters.some((other) => isFilter(other, one)))
  if (!same && !isSubset) found.push(`${name}.filters: ${theirFilters} there, ${filters} here`)
  return found
}

/** Why a neighbor of Calico's is none here. */
function whyMissing(
  golden: GoldenPeer,
  objects: readonly ApiObject[],
  peers: readonly PeerIntent[],
): string | undefined {
  const address = parseAddress(golden.address)
  if (golden.address.startsWith('ff')) return 'a multicast address is no neighbor'
  const other = objects.find(({ kind, metadata }) => {
    const v6 = metadata.annotations?.['projectcalico.org/IPv6Address']?.split('/')[0]
    return kind === 'Node' && v6 !== undefined && parseAddress(v6) === address
  })
  const v4 = other?.metadata.annotations?.['projectcalico.org/IPv4Address']?.split('/')[0]
  const both = peers.find((peer) => peer.address === v4 && peer.families.includes('ipv6'))
  return both === undefined ? undefined : 'one session carries both families'
}

/** The node has an address of each family, so that what it does not tell has other reasons. */
const withAddresses = (object: ApiObject): ApiObject => {
  if (object.kind !== 'Node' || object.metadata.name !== NODE) return object
  const addresses = { 'projectcalico.org/IPv4Address': '10.192.0.2/16', 'projectcalico.org/IPv6Address': 'fd5f::2/96' }
  return { ...object, metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, ...addresses } } }
}

/** Differences on purpose, with the rows they are in. */
const LISTED: readonly { readonly is: RegExp; readonly why: string }[] = [
  {
    is: /^routerId: 25\.79\.212\.8 there/,
    why: 'the router ID is the IPv4 address of the node, and CALICO_ROUTER_ID is not read',
  },
  { is: /^routerId: 10\.10\.10\.10 there/, why: 'the router ID of a node without an address is made of its name' },
]

const previews = new Map<string, NodePreview>()

/** What a row's objects do: looked at by several tests, made once. */
function previewOf(name: string): NodePreview {
  const preview = previews.get(name) ?? previewNode(storeOf(objectsOf(name)), NODE, true)
  previews.set(name, preview)
  return preview
}

describe.each(Object.entries(ROWS))('%s', (name, row) => {
  const objects = objectsOf(name)
  const preview = (): NodePreview => previewOf(name)

  test('has the same neighbors, or a listed difference', () => {
    const { intent } = preview()
    const peers = [...intent.peers.values()]
    const found: string[] = []
    if (quad(intent.node?.routerId) !== row.routerId)
      found.push(`routerId: ${row.routerId} there, ${quad(intent.node?.routerId)} here`)
    for (const [peerName, golden] of Object.entries(row.peers)) {
      const peer = intent.peers.get(peerName)
      if (peer !== undefined) found.push(...peerDifferences(peerName, golden, peer, row.asNumber))
      else if (whyMissing(golden, objects, peers) === undefined) found.push(`${peerName} is missing`)
    }
    for (const peer of peers) if (row.peers[peer.name] === undefined) found.push(`${peer.name} is too much`)
    expect(found.filter((one) => !LISTED.some(({ is }) => is.test(one)))).toEqual([])
  })

  test.runIf(row.asNumber !== null)('has the same AS number', () => {
    expect(preview().intent.node?.asNumber).toBe(row.asNumber)
  })

  test('advertises the same addresses of services', () => {
    const { intent } = preview()
    const ranges = (row.routes ?? []).map((one) => parsePrefix(one)?.text).sort()
    expect([...intent.routes.keys()].sort()).toEqual(ranges)
  })

  test.runIf(row.blocks)('advertises the blocks that are confirmed', () => {
    const { intent } = previewNode(storeOf([...objects, ...BLOCKS]), NODE, true)
    const pods = [...intent.routes.values()].filter(({ origin }) => origin === 'pod-cidr')
    expect(pods.map(({ prefix }) => prefix.text).sort()).toEqual([...CONFIRMED].sort())
  })

  const pools = objects.filter(({ kind }) => kind === 'IPPool').map(({ spec }) => (spec as { cidr: string }).cidr)
  const accepted = row.exports?.accept.filter((one) => pools.includes(one)) ?? []
  test.runIf(row.exports !== undefined)('exports the same pools, each with the same communities', () => {
    const router = { peerIP: '10.192.9.9', asNumber: 65000 }
    const probe: ApiObject = {
      apiVersion: 'projectcalico.org/v3',
      kind: 'BGPPeer',
      metadata: { name: 'probe' },
      spec: router,
    }
    const { peers } = previewNode(
      storeOf([...objects.map(withAddresses), probe, ...pools.map((cidr) => block(cidr))]),
      NODE,
      true,
    )
    const probed = peers.find(({ intent }) => intent.object === 'probe')
    const told = new Map(probed?.advertised.map(({ prefix, communities }) => [prefix, communities]))
    expect([...told.keys()].filter((one) => pools.some((cidr) => parsePrefix(cidr)?.text === one)).sort()).toEqual(
      accepted.map((one) => parsePrefix(one)?.text).sort(),
    )
    for (const [cidr, communities] of Object.entries(row.communities ?? {}))
      if (told.has(cidr)) expect([...(told.get(cidr) ?? [])].sort()).toEqual(communities)
  })

  test('names what of an overlay or of Calico’s own it does not do', () => {
    const { intent } = preview()
    const problems = [...storeOf(objects).problems(), ...intent.problems].filter(({ level }) => level !== 'warning')
    expect(
      problems
        .map(({ text }) => text)
        .filter(
          (text) => !/has no effect|no overlay|programClusterRoutes|multicast address|has no InternalIP/.test(text),
        ),
    ).toEqual([])
  })
})

test('every difference that is listed is in a row', () => {
  const all = Object.entries(ROWS).map(([name, { routerId }]) => {
    const { intent } = previewOf(name)
    return `routerId: ${routerId} there, ${quad(intent.node?.routerId)} here`
  })
  for (const { is } of LISTED) expect(all.some((one) => is.test(one))).toBe(true)
})
