/** Where the kinds the agent reads are served: API group, version, plural, and whether they live in namespaces. */
import { KINDS, type Kind } from '../cluster/source.ts'
import type { Effect } from '../engine/effect.ts'

/** What the world should know of this node. */
export type Report = Extract<Effect, { kind: 'status' | 'conditions' | 'events' | 'untaint' }>

export interface Resource {
  readonly kind: Kind
  /** `v1`, `discovery.k8s.io/v1`. */
  readonly apiVersion: string
  readonly plural: string
  readonly namespaced: boolean
  /** A custom resource: the cluster may not know it. */
  readonly custom: boolean
  /** What the API is asked to leave out. */
  readonly selection?: { readonly labelSelector?: string | undefined; readonly fieldSelector?: string | undefined }
  /** Of kinds that are read in one namespace: which, where an object says no other. */
  readonly namespace?: string
}

const CORE: Readonly<Partial<Record<Kind, Omit<Resource, 'kind' | 'custom'>>>> = {
  Node: { apiVersion: 'v1', plural: 'nodes', namespaced: false },
  // Headless services have no address, and their endpoints are the most there are.
  Service: {
    apiVersion: 'v1',
    plural: 'services',
    namespaced: true,
    selection: { fieldSelector: 'spec.clusterIP!=None' },
  },
  EndpointSlice: {
    apiVersion: 'discovery.k8s.io/v1',
    plural: 'endpointslices',
    namespaced: true,
    selection: { labelSelector: '!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name' },
  },
}

/** Of Secrets only those that are named are read: see `secretsIn`. */
const SOURCE_KINDS: readonly Kind[] = KINDS.filter((kind) => kind !== 'Secret')

/** Kinds that are there only where Calico's own objects are read. */
const CALICO_KINDS: readonly Kind[] = ['FelixConfiguration', 'BlockAffinity', 'IPAMBlock']
/** Calico does not have it: it stands in our own group, whoever's the other objects are. */
const OURS_ALONE = { kind: 'BGPAdvertisement', apiVersion: 'godwit.dev/v1', plural: 'bgpadvertisements' } as const
const CALICO_GROUP = /^(?:crd\.)?projectcalico\.org(?:\/|$)/

export const isCalicoGroup = (apiGroup: string): boolean => CALICO_GROUP.test(apiGroup)

/** IPAM is Calico's own business: only the group of its storage has all of it. */
const IPAM = {
  BlockAffinity: { apiVersion: 'crd.projectcalico.org/v1', plural: 'blockaffinities' },
  IPAMBlock: { apiVersion: 'crd.projectcalico.org/v1', plural: 'ipamblocks' },
} as const

/** The resources a source reads. `apiGroup` is `godwit.dev` or `godwit.dev/v1`: where our own kinds are served. */
export function resourcesOf(apiGroup: string): readonly Resource[] {
  const apiVersion = versioned(apiGroup)
  const absent = isCalicoGroup(apiGroup) ? [] : CALICO_KINDS
  const kinds = SOURCE_KINDS.filter((kind) => !absent.includes(kind))
  return kinds.map((kind) => {
    const core = CORE[kind]
    if (core !== undefined) return { kind, custom: false, ...core }
    if (kind === 'BlockAffinity' || kind === 'IPAMBlock')
      return { kind, custom: true, namespaced: false, ...IPAM[kind] }
    if (kind === OURS_ALONE.kind) return { custom: true, namespaced: false, ...OURS_ALONE }
    return { kind, custom: true, apiVersion, plural: `${kind.toLowerCase()}s`, namespaced: false }
  })
}

/** Calico's own group is at v3; every other one we know is at v1. */
function versioned(apiGroup: string): string {
  if (apiGroup.includes('/')) return apiGroup
  return `${apiGroup}/${apiGroup === 'projectcalico.org' ? 'v3' : 'v1'}`
}

/** Where objects of a kind are: all of them, or those of one namespace. */
interface Place extends Pick<Resource, 'apiVersion' | 'plural'> {
  readonly namespace?: string
}

/** `/api/v1/nodes`, `/apis/discovery.k8s.io/v1/endpointslices`: all of them, in all namespaces. */
export function pathOf({ apiVersion, plural, namespace }: Place): string {
  const place = namespace === undefined ? '' : `namespaces/${namespace}/`
  return `${apiVersion.includes('/') ? '/apis' : '/api'}/${apiVersion}/${place}${plural}`
}

/** Secrets of the agent's own namespace, or the one of a name. */
export const secretsIn = (namespace: string, name?: string): Resource => ({
  kind: 'Secret',
  apiVersion: 'v1',
  plural: 'secrets',
  namespaced: true,
  custom: false,
  namespace,
  // For one object by its name, rights to the name are enough.
  ...(name !== undefined && { selection: { fieldSelector: `metadata.name=${name}` } }),
})

/** Set by a user when a node registers, and taken away when it is ready. */
export const STARTUP_TAINT = 'godwit.dev/starting'

/** Kinds that the agent writes. */
export const NODE_STATUS = { apiVersion: 'godwit.dev/v1', kind: 'BGPNodeStatus', plural: 'bgpnodestatuses' } as const
export const LEASE = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', plural: 'leases' } as const
export const EVENT = { apiVersion: 'events.k8s.io/v1', kind: 'Event', plural: 'events' } as const
export const NODE = { apiVersion: 'v1', kind: 'Node', plural: 'nodes' } as const

/** What a source of objects is to the agent. */
export interface Source {
  readonly kind: 'kubernetes' | 'manifests'
  /** Reads everything anew, where it does not follow each change by itself. */
  reread?(): void
  /** Reads the Secrets of these names, and no others, where it has not read all of them anyhow. */
  followSecrets?(names: readonly string[]): void
  /** Why nobody follows this agent that is told to end; undefined: another one does, or that cannot be known. */
  whyLeaves?(): Promise<string | undefined>
  /** Writes what the effect says of this node, where the source can be written to. */
  report?(effect: Report): void
  stop(): Promise<void>
}
