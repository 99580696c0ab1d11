/** Which kinds our API server serves, and which of them a path leads to. */

export const CALICO_GROUPS = ['projectcalico.org/v3', 'crd.projectcalico.org/v1']
/** Calico's kinds that are read → plural. */
export const CALICO_KINDS = {
  BGPConfiguration: 'bgpconfigurations',
  BGPPeer: 'bgppeers',
  BGPFilter: 'bgpfilters',
  IPPool: 'ippools',
  FelixConfiguration: 'felixconfigurations',
  BlockAffinity: 'blockaffinities',
  IPAMBlock: 'ipamblocks',
}
/** By kind and group: `BGPPeer.projectcalico.org/v3`. */
const CALICO = Object.fromEntries(
  CALICO_GROUPS.flatMap((group) =>
    Object.entries(CALICO_KINDS).map(
      ([kind, plural]) => [`${kind}.${group}`, { path: `/apis/${group}/${plural}`, namespaced: false }] as const,
    ),
  ),
)

/** What `kubectl apply -k deploy` writes beside the rest: kind → whether it is namespaced. */
const inGroup = (group: string, kinds: Readonly<Record<string, boolean>>) =>
  Object.fromEntries(
    Object.entries(kinds).map(([kind, namespaced]) => [
      kind,
      { path: `/apis/${group}/${kind.toLowerCase().replace(/y$/, 'ie')}s`, namespaced },
    ]),
  )

/** Kinds it serves, and where. */
export const SERVED: Readonly<Record<string, { readonly path: string; readonly namespaced: boolean }>> = {
  Node: { path: '/api/v1/nodes', namespaced: false },
  Service: { path: '/api/v1/services', namespaced: true },
  Secret: { path: '/api/v1/secrets', namespaced: true },
  Namespace: { path: '/api/v1/namespaces', namespaced: false },
  ServiceAccount: { path: '/api/v1/serviceaccounts', namespaced: true },
  Pod: { path: '/api/v1/pods', namespaced: true },
  DaemonSet: { path: '/apis/apps/v1/daemonsets', namespaced: true },
  ...inGroup('rbac.authorization.k8s.io/v1', {
    ClusterRole: false,
    ClusterRoleBinding: false,
    Role: true,
    RoleBinding: true,
  }),
  ...inGroup('apiextensions.k8s.io/v1', { CustomResourceDefinition: false }),
  ...inGroup('admissionregistration.k8s.io/v1', {
    ValidatingAdmissionPolicy: false,
    ValidatingAdmissionPolicyBinding: false,
  }),
  EndpointSlice: { path: '/apis/discovery.k8s.io/v1/endpointslices', namespaced: true },
  BGPConfiguration: { path: '/apis/godwit.dev/v1/bgpconfigurations', namespaced: false },
  BGPPeer: { path: '/apis/godwit.dev/v1/bgppeers', namespaced: false },
  BGPFilter: { path: '/apis/godwit.dev/v1/bgpfilters', namespaced: false },
  BGPAdvertisement: { path: '/apis/godwit.dev/v1/bgpadvertisements', namespaced: false },
  IPPool: { path: '/apis/godwit.dev/v1/ippools', namespaced: false },
  BGPNodeStatus: { path: '/apis/godwit.dev/v1/bgpnodestatuses', namespaced: false },
  Lease: { path: '/apis/coordination.k8s.io/v1/leases', namespaced: true },
  Event: { path: '/apis/events.k8s.io/v1/events', namespaced: true },
  /** The same in the older form, which kubectl shows. */
  'Event.v1': { path: '/api/v1/events', namespaced: true },
  ...CALICO,
}

export interface Target {
  readonly kind: string
  readonly path: string
  readonly namespace: string | undefined
  readonly name: string | undefined
  /** `status`. */
  readonly part: string | undefined
}

/** `/api/v1/namespaces/shop/services/web` → where that is stored. */
export function targetOf(pathname: string): Target | undefined {
  for (const [kind, { path, namespaced }] of Object.entries(SERVED)) {
    const cut = path.lastIndexOf('/')
    const [base, plural] = [path.slice(0, cut), path.slice(cut + 1)]
    const place = namespaced ? '(?:/namespaces/([^/]+))?' : '()'
    const match = new RegExp(`^${base}${place}/${plural}(?:/([^/]+)(?:/(status))?)?$`).exec(pathname)
    const [, namespace, name, part] = match ?? []
    if (match !== null) return { kind, path, namespace: namespace === '' ? undefined : namespace, name, part }
  }
  return undefined
}

export function servedOf(kind: string): { readonly path: string; readonly namespaced: boolean } {
  const served = SERVED[kind]
  if (served === undefined) throw new Error(`the test server does not serve ${kind}`)
  return served
}

export function typeOf(path: string): { kind: string; apiVersion: string } {
  const [kind = ''] = (Object.keys(SERVED).find((one) => SERVED[one]?.path === path) ?? '').split('.')
  return { kind, apiVersion: path.replace(/^\/apis?\//, '').replace(/\/[^/]+$/, '') }
}
