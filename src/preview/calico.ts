/**
 * Finds the deliberate differences from Calico that would change the routes of the given objects. `ARCHITECTURE.md` has
 * the table of all differences; this reports those that concern these objects.
 */
import { type Address, familyOfAddress } from '../base/address.ts'
import { FAMILIES, type Family } from '../base/family.ts'
import type { Asn } from '../base/units.ts'
import type { Rule as PolicyRule } from '../bgp/policy/rule.ts'
import { BGP_PORT, DEFAULT_AS } from '../cluster/node.ts'
import type { ConfigurationObject, FilterObject, NodeObject, ParsedObjects, PeerObject } from '../cluster/objects.ts'
import { NODE_CONFIGURATION } from '../cluster/parse/configuration.ts'
import { peerScope, selects } from '../cluster/peer-candidates.ts'
import { withValuesOf } from '../cluster/peer-values.ts'
import { matches } from '../cluster/selector.ts'
import { EXCLUDE_LABEL } from '../cluster/services.ts'
import type { ObjectStore } from '../cluster/store.ts'
import { SERVICE_DIFFERENCES } from './calico-services.ts'
import type { Difference, DifferenceRule } from './difference.ts'

type PreviewedKind = 'BGPPeer' | 'Node' | 'BGPConfiguration'

const allOf = <K extends PreviewedKind>(store: ObjectStore, kind: K): ParsedObjects[K][] => [
  ...store.table(kind).values(),
]

const namesIn = <K extends PreviewedKind>(
  store: ObjectStore,
  kind: K,
  isIncluded: (object: ParsedObjects[K]) => boolean,
): string[] =>
  allOf(store, kind)
    .filter(isIncluded)
    .map(({ name }) => `${kind}/${name}`)

const peersIn = (store: ObjectStore, isMeant: (peer: PeerObject) => boolean): string[] =>
  namesIn(store, 'BGPPeer', isMeant)

const clusterAs = (store: ObjectStore): Asn => store.get('BGPConfiguration', 'default')?.asNumber ?? DEFAULT_AS

const asOf = (store: ObjectStore, { asNumber }: NodeObject): Asn => asNumber ?? clusterAs(store)

const asNumbersOf = (store: ObjectStore, nodes: readonly NodeObject[]): Asn[] => [
  ...new Set(nodes.map((node) => asOf(store, node))),
]

/** The nodes that have the neighbor. */
const nodesWith = (store: ObjectStore, peer: PeerObject): NodeObject[] =>
  allOf(store, 'Node').filter((node) => selects(peer, node))

/** Whether it is a router, not a node of the cluster. */
const isRouter = (store: ObjectStore, { peerSelector, remote }: PeerObject): boolean =>
  peerSelector === undefined && (remote === undefined || nodeAt(store, remote.address) === undefined)

function nodeAt(store: ObjectStore, address: Address): NodeObject | undefined {
  const revision = store.revisionOf('Node')
  let index = NODES_AT.get(store)
  if (index?.revision !== revision) {
    // Of several nodes with one address the first counts.
    const rows = allOf(store, 'Node').flatMap((node) =>
      Object.values(node.addresses).map((own) => [own, node] as const),
    )
    index = { revision, byAddress: new Map(rows.reverse()) }
    NODES_AT.set(store, index)
  }
  return index.byAddress.get(address)
}

/** Kept, because `nodeAt` is called for each node and each neighbor. */
const NODES_AT = new WeakMap<
  ObjectStore,
  { readonly revision: number; readonly byAddress: ReadonlyMap<Address, NodeObject> }
>()

/** Whether the neighbor is external to some node that has it, as far as objects tell. */
const isExternal = (store: ObjectStore, peer: PeerObject): boolean =>
  peer.peerSelector === undefined ? areExternal(store, peer).includes(true) : joinsAsNumbers(store, peer)

/** Whether a neighbor that is named by its address is internal to some node that has it, as far as objects tell. */
const isInternal = (store: ObjectStore, peer: PeerObject): boolean => areExternal(store, peer).includes(false)

/** For each node that has the neighbor: whether it is external to it. */
function areExternal(store: ObjectStore, peer: PeerObject): readonly boolean[] {
  const nodes = nodesWith(store, peer)
  if (nodes.length === 0) return [isExternalTo(store, clusterAs(store), peer)]
  return nodes.flatMap((node) => {
    const { object } = withValuesOf(peer, node)
    return object === undefined ? [] : [isExternalTo(store, asOf(store, node), object)]
  })
}

/** Without an AS number, the neighbor is the node that has its address. */
function isExternalTo(store: ObjectStore, nodeAs: Asn, peer: PeerObject): boolean {
  const { asNumber, remoteAs, remote, localAsNumber = nodeAs } = peer
  if (remoteAs !== undefined) return remoteAs === 'external'
  const node = asNumber === undefined && remote !== undefined ? nodeAt(store, remote.address) : undefined
  const theirs = asNumber ?? (node && asOf(store, node))
  return theirs !== undefined && theirs !== localAsNumber
}

/** Whether it makes neighbors of nodes with different AS numbers. */
function joinsAsNumbers(store: ObjectStore, peer: PeerObject): boolean {
  const there = allOf(store, 'Node').filter(
    ({ labels }) => peer.peerSelector !== undefined && matches(peer.peerSelector, labels),
  )
  const [here, others] = [asNumbersOf(store, nodesWith(store, peer)), asNumbersOf(store, there)]
  return here.length > 0 && others.some((one) => here.length > 1 || one !== here[0])
}

const filtersOf = (store: ObjectStore, { filters }: PeerObject): FilterObject[] =>
  filters.flatMap((name) => store.get('BGPFilter', name) ?? [])

/** In Calico a session carries the family of its address alone. */
const familiesOf = ({ remote }: PeerObject): readonly Family[] =>
  remote === undefined ? FAMILIES : [familyOfAddress(remote.address)]

/** Whether the filters decide about every learned route, so that no later rule applies. */
const decideAll = (store: ObjectStore, peer: PeerObject, direction: 'import' | 'export'): boolean =>
  familiesOf(peer).every((family) =>
    filtersOf(store, peer).some((filter) => filter[`${direction}${family === 'ipv4' ? 'V4' : 'V6'}`].some(takesAll)),
  )

const takesAll = ({ match }: PolicyRule): boolean =>
  Object.keys(match).every((condition) => condition === 'family' || condition === 'source')

const acceptsOwn = ({ exportV4, exportV6 }: FilterObject): boolean =>
  [...exportV4, ...exportV6].some(({ action, match }) => action === 'accept' && match.source !== 'peer')

/** Whether it applies to all nodes, and another BGPPeer with one of its neighbors to some nodes only. */
function isShadowed(store: ObjectStore, peer: PeerObject): boolean {
  if (!isGlobal(peer)) return false
  const others = allOf(store, 'BGPPeer').filter((other) => !isGlobal(other))
  if (others.length === 0) return false
  const mine = new Set(endpointsOf(store, peer))
  return others.some((other) => endpointsOf(store, other).some((one) => mine.has(one)))
}

/** The neighbors that it names or selects, by address and port; a node by its name. */
function endpointsOf(store: ObjectStore, { remote, peerSelector }: PeerObject): string[] {
  const nodes = allOf(store, 'Node')
  if (peerSelector !== undefined)
    return nodes.flatMap(({ name, labels }) => (matches(peerSelector, labels) ? [name] : []))
  if (remote === undefined) return []
  const holders = nodes.filter(({ addresses }) => Object.values(addresses).includes(remote.address))
  const [first] = holders
  const port = remote.port ?? (first === undefined ? BGP_PORT : listenPortOf(store, first.name))
  // Another port of a node belongs to another speaker.
  const speakers = holders.filter(({ name }) => listenPortOf(store, name) === port)
  return [`${remote.address} ${port}`, ...speakers.map(({ name }) => name)]
}

/** Whether it names another speaker on a node that it selects. */
const isOtherSpeakerHere = (store: ObjectStore, peer: PeerObject): boolean =>
  peer.remote?.port !== undefined &&
  nodesWith(store, peer).some(
    ({ name, addresses }) =>
      Object.values(addresses).includes(peer.remote?.address ?? '') && peer.remote?.port !== listenPortOf(store, name),
  )

const listenPortOf = (store: ObjectStore, node: string): number =>
  store.get('BGPConfiguration', NODE_CONFIGURATION + node)?.listenPort ??
  store.get('BGPConfiguration', 'default')?.listenPort ??
  BGP_PORT

const isGlobal = (peer: PeerObject): boolean => peerScope(peer) === 'global'

/** Whether it is a router with one address, of a node that has both families and no router of the other family. */
function isAloneInFamily(store: ObjectStore, peer: PeerObject): boolean {
  if (peer.remote === undefined || peer.families !== undefined || !isRouter(store, peer)) return false
  const family = familyOfAddress(peer.remote.address)
  const others = allOf(store, 'BGPPeer').filter(
    (one) => one.remote !== undefined && familyOfAddress(one.remote.address) !== family && isRouter(store, one),
  )
  const served = new Set(others.flatMap((one) => nodesWith(store, one)))
  return nodesWith(store, peer).some((node) => Object.keys(node.addresses).length > 1 && !served.has(node))
}

/** Whether it uses names of communities that only `default` gives a value. */
const usesDefaultNames = (store: ObjectStore, { name, communities, prefixAdvertisements = [] }: ConfigurationObject) =>
  name.startsWith(NODE_CONFIGURATION) &&
  prefixAdvertisements
    .flatMap((one) => one.communities)
    .some(
      (one) =>
        typeof one === 'string' &&
        !communities.has(one) &&
        store.get('BGPConfiguration', 'default')?.communities.has(one) === true,
    )

const RULES: readonly DifferenceRule[] = [
  {
    topic: 'learned routes to eBGP neighbors',
    calico: 'are advertised',
    godwit: 'are not, unless advertiseLearned is set or an export rule accepts them',
    concerns: (store) =>
      peersIn(store, (peer) => isExternal(store, peer) && !peer.advertiseLearned && !decideAll(store, peer, 'export')),
  },
  {
    topic: 'routes outside the IP pools, pod CIDRs and service ranges, from neighbors that are no nodes',
    calico: 'are accepted',
    godwit: 'are rejected, unless an import rule accepts them (for example the default route of the rack)',
    concerns: (store) => peersIn(store, (peer) => isRouter(store, peer) && !decideAll(store, peer, 'import')),
  },
  {
    topic: 'more than 100,000 routes of a family from one neighbor',
    calico: 'are accepted',
    godwit: 'end the session for ten minutes, unless maxPrefixes is higher',
    concerns: (store) =>
      peersIn(
        store,
        (peer) => isRouter(store, peer) && FAMILIES.some((family) => peer.maxPrefixes[family] === undefined),
      ),
  },
  {
    topic: 'own routes of the node, to iBGP neighbors that are no nodes',
    calico: 'have a LOCAL_PREF of 2147482623',
    godwit: 'have one of 100, unless a BGPAdvertisement or an export rule sets it',
    concerns: (store) => peersIn(store, (peer) => isRouter(store, peer) && isInternal(store, peer)),
  },
  {
    topic: 'two BGPPeers for one neighbor, one of all nodes and one of some',
    calico: 'count as the one of all nodes, everywhere',
    godwit: 'count as the more specific one where that applies',
    concerns: (store) => peersIn(store, (peer) => isShadowed(store, peer)),
  },
  {
    topic: 'neighbors that have the address of the node itself and another port',
    calico: 'are no neighbors',
    godwit: 'are other speakers on the node',
    concerns: (store) => peersIn(store, (peer) => isOtherSpeakerHere(store, peer)),
  },
  {
    topic: 'routes of the node that an export rule accepts',
    calico: 'have no communities of prefixAdvertisements',
    godwit: 'have them',
    concerns: (store) =>
      allOf(store, 'BGPConfiguration').some(hasPrefixAdvertisements)
        ? peersIn(store, (peer) => filtersOf(store, peer).some(acceptsOwn))
        : [],
  },
  {
    topic: 'prefixAdvertisements of one node',
    calico: 'concern routes that it has learned and advertises, too',
    godwit: 'concern its own routes alone',
    concerns: (store) =>
      namesIn(
        store,
        'BGPConfiguration',
        (one) => one.name.startsWith(NODE_CONFIGURATION) && hasPrefixAdvertisements(one),
      ),
  },
  {
    topic: 'names in the prefixAdvertisements of one node that only BGPConfiguration/default gives a value',
    calico: 'are left out',
    godwit: 'count',
    concerns: (store) => namesIn(store, 'BGPConfiguration', (one) => usesDefaultNames(store, one)),
  },
  {
    topic: 'routes of the other family, with routers that have a session over one family alone',
    calico: 'need a session over that family',
    godwit:
      'are advertised and learned in the same session, if the router announces both, unless addressFamilies names one',
    concerns: (store) => peersIn(store, (peer) => isAloneInFamily(store, peer)),
  },
  {
    topic: `nodes with the label ${EXCLUDE_LABEL} and another value than "true"`,
    calico: 'advertise services',
    godwit: 'advertise none: the presence of the label counts, as in Kubernetes',
    concerns: (store) =>
      namesIn(store, 'Node', ({ labels }) => Object.hasOwn(labels, EXCLUDE_LABEL) && labels[EXCLUDE_LABEL] !== 'true'),
  },
  {
    topic: "addresses of Nodes that no annotation of Calico's gives",
    calico: 'have no part in BGP',
    godwit: 'are used: of each family the first InternalIP, or else the first ExternalIP',
    concerns: (store) =>
      namesIn(store, 'Node', ({ addresses, annotated }) =>
        FAMILIES.some((family) => addresses[family] !== undefined && !annotated.includes(family)),
      ),
  },
  ...SERVICE_DIFFERENCES,
]

const hasPrefixAdvertisements = ({ prefixAdvertisements = [] }: ConfigurationObject): boolean =>
  prefixAdvertisements.length > 0

export const calicoDifferences = (store: ObjectStore): readonly Difference[] =>
  RULES.flatMap(({ concerns, ...rule }) => {
    const objects = concerns(store)
    return objects.length === 0 ? [] : [{ ...rule, objects }]
  })
