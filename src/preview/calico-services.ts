/** Services that Calico advertises in another way (`confd`, `routes.go`). */
import { contains, isHostPrefix, type Prefix } from '../base/prefix.ts'
import type { ConfigurationObject, ServiceAddressKind, ServiceObject } from '../cluster/objects.ts'
import { PROXY_LABEL } from '../cluster/services.ts'
import type { ObjectStore } from '../cluster/store.ts'
import type { DifferenceRule } from './difference.ts'

type Settings = Pick<ConfigurationObject, 'serviceCidrs' | 'loadBalancerAggregation'>
const NONE: Settings = {
  serviceCidrs: { cluster: [], external: [], 'load-balancer': [] },
  loadBalancerAggregation: true,
}

function servicesIn(
  store: ObjectStore,
  isMeant: (service: ServiceObject, settings: Settings) => boolean,
): readonly string[] {
  const settings = store.get('BGPConfiguration', 'default') ?? NONE
  return [...store.table('Service').values()]
    .filter((service) => service.clusterIps.length > 0 && isMeant(service, settings))
    .map(({ namespace, name }) => `Service/${namespace}/${name}`)
}

const isInAny = (prefix: Prefix, ranges: readonly Prefix[]): boolean => ranges.some((range) => contains(range, prefix))
const hasRangeOfOne = (prefix: Prefix, ranges: readonly Prefix[]): boolean =>
  ranges.some((range) => isHostPrefix(range) && contains(range, prefix))

/** Calico advertises its addresses one by one, while endpoints are ready. */
const isAdvertisedOneByOne = ({ externalLocal }: ServiceObject, { loadBalancerAggregation }: Settings): boolean =>
  externalLocal || !loadBalancerAggregation

/** The addresses that Calico advertises one by one: all cluster IPs, whatever their range; others inside their ranges. */
const singles = (service: ServiceObject, { serviceCidrs }: Settings): Prefix[] => [
  ...(serviceCidrs.cluster.length === 0 ? [] : service.clusterIps),
  ...service.externalIps.filter((prefix) => isInAny(prefix, serviceCidrs.external)),
  ...loadBalancerIpsOf(service).filter((prefix) => isInAny(prefix, serviceCidrs['load-balancer'])),
]

const loadBalancerIpsOf = ({ type, loadBalancerIps }: ServiceObject): readonly Prefix[] =>
  type === 'LoadBalancer' ? loadBalancerIps : []

/** One of its addresses is a configured range (/32 or /128), so Calico advertises the service from every node. */
const isRange = (service: ServiceObject, { serviceCidrs }: Settings): boolean =>
  !service.externalLocal &&
  (service.externalIps.some((prefix) => hasRangeOfOne(prefix, serviceCidrs.external)) ||
    loadBalancerIpsOf(service).some((prefix) => hasRangeOfOne(prefix, serviceCidrs['load-balancer'])))

const rangesOf = (kind: ServiceAddressKind, { serviceCidrs }: Settings): readonly Prefix[] => serviceCidrs[kind]

/** A node whose last endpoints of this service terminate and still serve. */
const isDraining = (store: ObjectStore, { namespace, name }: ServiceObject): boolean => {
  const slices = store.slicesOf(`${namespace}/${name}`)
  const ready = new Set(slices.flatMap((slice) => slice.ready))
  return slices.some(({ draining }) => draining.some((node) => node !== '' && !ready.has(node)))
}

/** It has slices, and no node has a ready endpoint. */
const isIdle = (store: ObjectStore, { namespace, name }: ServiceObject): boolean => {
  const slices = store.slicesOf(`${namespace}/${name}`)
  return slices.length > 0 && slices.every(({ ready }) => ready.length === 0)
}

export const SERVICE_DIFFERENCES: readonly DifferenceRule[] = [
  {
    topic: 'addresses of both families of a service that is advertised one by one',
    calico: 'are advertised if an endpoint of any family is there',
    godwit: 'are advertised if a ready endpoint of that family is',
    concerns: (store) =>
      servicesIn(
        store,
        (service, settings) =>
          isAdvertisedOneByOne(service, settings) &&
          new Set(singles(service, settings).map(({ family }) => family)).size > 1,
      ),
  },
  {
    topic: 'cluster IPs of a service with internalTrafficPolicy Local',
    calico: 'follow externalTrafficPolicy',
    godwit: 'are advertised one by one from nodes with a ready endpoint',
    concerns: (store) =>
      servicesIn(
        store,
        ({ internalLocal, externalLocal, clusterIps }, settings) =>
          internalLocal &&
          !externalLocal &&
          clusterIps.some((prefix) => isInAny(prefix, rangesOf('cluster', settings))),
      ),
  },
  {
    topic: 'cluster IPs outside serviceClusterIPs, of services that are advertised one by one',
    calico: 'are advertised',
    godwit: 'are not: what is outside the ranges stays inside the cluster',
    concerns: (store) =>
      servicesIn(store, (service, settings) => {
        const ranges = rangesOf('cluster', settings)
        const isOne = isAdvertisedOneByOne(service, settings) || isRange(service, settings)
        return isOne && ranges.length > 0 && service.clusterIps.some((prefix) => !isInAny(prefix, ranges))
      }),
  },
  {
    topic: 'the other addresses of a service with an address that is a range of its own',
    calico: 'are advertised one by one, by every node',
    godwit: 'are covered by their ranges',
    concerns: (store) =>
      servicesIn(
        store,
        (service, settings) =>
          settings.loadBalancerAggregation && isRange(service, settings) && singles(service, settings).length > 1,
      ),
  },
  {
    topic:
      'the other addresses of a service with an address that is a range of its own, while it has no ready endpoint',
    calico: 'are advertised one by one, by every node',
    godwit: 'are not advertised one by one until an endpoint is ready',
    concerns: (store) =>
      servicesIn(
        store,
        (service, settings) =>
          !settings.loadBalancerAggregation &&
          isRange(service, settings) &&
          singles(service, settings).length > 1 &&
          isIdle(store, service),
      ),
  },
  {
    topic: 'addresses with ipMode: Proxy',
    calico: 'are advertised',
    godwit: 'are not advertised by themselves: kube-proxy has no rules for them',
    concerns: (store) =>
      servicesIn(
        store,
        (service, settings) =>
          (isAdvertisedOneByOne(service, settings) || isRange(service, settings)) &&
          service.proxiedIps.some((prefix) => isInAny(prefix, rangesOf('load-balancer', settings))),
      ),
  },
  {
    topic: `services with the label ${PROXY_LABEL}`,
    calico: 'are advertised as all others',
    godwit: 'are not advertised one by one: kube-proxy has no rules for them',
    concerns: (store) =>
      servicesIn(
        store,
        (service, settings) =>
          Object.hasOwn(service.labels, PROXY_LABEL) &&
          (isAdvertisedOneByOne(service, settings) || isRange(service, settings)) &&
          singles(service, settings).length > 0,
      ),
  },
  {
    topic: 'services with the policy Local whose last endpoints on a node terminate and still serve',
    calico: 'are withdrawn there',
    godwit: 'are advertised there until the endpoints have ended',
    concerns: (store) =>
      servicesIn(
        store,
        (service, settings) =>
          service.externalLocal && singles(service, settings).length > 0 && isDraining(store, service),
      ),
  },
]
