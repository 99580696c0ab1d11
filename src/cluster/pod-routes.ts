/** Routes of single pods that BGPAdvertisements name by label: a /32 or /128 for each ready pod on this node. */
import { isIn } from '../base/overlap.ts'
import { advertisementsChoosing, type NodeAdvertisement } from './advertisements.ts'
import type { PodSelection } from './intent.ts'
import { labelSelectorOf } from './label-selector.ts'
import type { PodObject } from './objects.ts'
import type { Claim } from './route-book.ts'
import { matches } from './selector.ts'

/** The pods that have to be read; undefined: no BGPAdvertisement asks for pods. */
export function podsWanted(all: readonly Pick<NodeAdvertisement, 'object'>[]): PodSelection | undefined {
  const selectors = all.flatMap(({ object }) =>
    object.routes.flatMap((choice) => (choice.kind === 'pods' ? [choice.selector] : [])),
  )
  if (selectors.length === 0) return undefined
  // A request to the API has one `labelSelector`, without alternatives: several selectors mean all pods.
  const [first, ...others] = new Set(selectors.map((selector) => selector && labelSelectorOf(selector)))
  return { labelSelector: others.length === 0 ? first : undefined }
}

/**
 * The claims of a pod, or why its addresses are not advertised. Both are empty for a pod of another node or without a match.
 */
export function decidePod(
  pod: PodObject,
  node: string,
  all: readonly NodeAdvertisement[],
): { readonly claims: readonly Claim[]; readonly whyNotAdvertised: string | undefined } {
  const named = advertisementsChoosing(
    all,
    (choice) =>
      choice.kind === 'pods' &&
      (choice.namespaces === undefined || isIn(choice.namespaces, pod.namespace)) &&
      (choice.selector === undefined || matches(choice.selector, pod.labels)),
  ).map(({ object }) => object.name)
  if (pod.node !== node || named.length === 0) return { claims: [], whyNotAdvertised: undefined }
  const refused = whyNotPod(pod)
  // A pod in the host network has the node's addresses.
  const addresses = pod.hostNetwork ? [] : pod.addresses
  return { claims: addresses.map((prefix) => ({ prefix, origin: 'pod', refused, named })), whyNotAdvertised: refused }
}

function whyNotPod({ hostNetwork, isTerminating, isReady, addresses }: PodObject): string | undefined {
  if (hostNetwork) return 'the pod uses the network of the node: nodeAddresses advertises its addresses'
  if (isTerminating) return 'the pod is terminating'
  if (!isReady) return 'the pod is not ready'
  return addresses.length === 0 ? 'the pod has no address yet' : undefined
}
