/**
 * Finds the deliberate differences from Calico that would change the routes of the given objects. `ARCHITECTURE.md` has
 * the table of all differences; this reports those that concern these objects.
 */
import { isHostPrefix } from '../base/prefix.ts'
import type { ObjectStore } from '../cluster/store.ts'

export interface Difference {
  readonly topic: string
  readonly calico: string
  readonly godwit: string
  /** What of these objects it concerns; never empty. */
  readonly objects: readonly string[]
}

interface Rule extends Omit<Difference, 'objects'> {
  readonly concerns: (store: ObjectStore) => readonly string[]
}

/** A BGPPeer whose neighbor is of another AS, as far as its objects say. */
const externalPeers = (store: ObjectStore) => {
  const own = store.get('BGPConfiguration', 'default')?.asNumber
  return [...store.table('BGPPeer').values()].filter(
    ({ asNumber, remoteAs, peerSelector }) =>
      peerSelector === undefined && (remoteAs === 'external' || (asNumber !== undefined && asNumber !== own)),
  )
}

const peerNames = (peers: ReturnType<typeof externalPeers>) => peers.map(({ name }) => `BGPPeer/${name}`)

const filtersIn = (store: ObjectStore, names: readonly string[], direction: 'import' | 'export'): boolean =>
  names.some((name) => {
    const filter = store.get('BGPFilter', name)
    return filter !== undefined && (filter[`${direction}V4`].length > 0 || filter[`${direction}V6`].length > 0)
  })

const RULES: readonly Rule[] = [
  {
    topic: 'learned routes to eBGP neighbors',
    calico: 'are advertised',
    godwit: 'are not, unless advertiseLearned is set or an export rule accepts them',
    concerns: (store) =>
      peerNames(
        externalPeers(store).filter(
          ({ advertiseLearned, filters }) => !advertiseLearned && !filtersIn(store, filters, 'export'),
        ),
      ),
  },
  {
    topic: 'routes outside the IP pools, pod CIDRs and service ranges, from eBGP neighbors',
    calico: 'are accepted',
    godwit: 'are rejected, unless an import rule accepts them (for example the default route of the rack)',
    concerns: (store) => peerNames(externalPeers(store).filter(({ filters }) => !filtersIn(store, filters, 'import'))),
  },
  {
    topic: 'more than 100,000 routes of a family from one neighbor',
    calico: 'are accepted',
    godwit: 'end the session for ten minutes, unless maxPrefixes is higher',
    concerns: (store) => peerNames(externalPeers(store)),
  },
  {
    topic: 'VIPs of both families of a service with policy Local',
    calico: 'are advertised if an endpoint of any family is on the node',
    godwit: 'are advertised if a ready endpoint of that family is',
    concerns: (store) =>
      [...store.table('Service').values()]
        .filter(({ externalLocal }) => externalLocal)
        .filter(
          ({ loadBalancerIps, clusterIps }) =>
            new Set([...loadBalancerIps, ...clusterIps].map(({ family }) => family)).size > 1,
        )
        .map(({ namespace, name }) => `Service/${namespace}/${name}`),
  },
  {
    topic: 'cluster IPs of a service with internalTrafficPolicy Local',
    calico: 'follow externalTrafficPolicy',
    godwit: 'are advertised one by one from nodes with a ready endpoint',
    concerns: (store) =>
      [...store.table('Service').values()]
        .filter(({ internalLocal, clusterIps }) => internalLocal && clusterIps.some(isHostPrefix))
        .map(({ namespace, name }) => `Service/${namespace}/${name}`),
  },
  {
    topic: 'addresses with ipMode: Proxy',
    calico: 'are advertised',
    godwit: 'are not: kube-proxy has no rules for them',
    concerns: (store) =>
      [...store.table('Service').values()]
        .filter(({ proxiedIps }) => proxiedIps.length > 0)
        .map(({ namespace, name }) => `Service/${namespace}/${name}`),
  },
]

export const calicoDifferences = (store: ObjectStore): readonly Difference[] =>
  RULES.flatMap(({ concerns, ...rule }) => {
    const objects = concerns(store)
    return objects.length === 0 ? [] : [{ ...rule, objects }]
  })
