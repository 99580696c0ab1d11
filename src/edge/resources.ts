/** The kinds that the agent reads and writes: API group, version, plural, and whether they have namespaces. */
import type { PodSelection } from '../cluster/intent.ts'
import { PROXY_LABEL } from '../cluster/services.ts'
import { KINDS, type Kind } from '../cluster/source.ts'
import type { Effect } from '../engine/effect.ts'

/** The effects that a source performs which can be written to (`Source.report`). */
export type StatusEffect = Extract<Effect, { kind: 'status' | 'conditions' | 'events' | 'untaint' }>

export interface Resource {
  readonly kind: Kind
  /** `v1`, `discovery.k8s.io/v1`. */
  readonly apiVersion: string
  readonly plural: string
  readonly namespaced: boolean
  /** A custom resource: the cluster may not have it. */
  readonly custom: boolean
  /** Where it may be instead, if the cluster does not know it at `apiVersion`. */
  readonly elsewhere?: string
  /** A label or field selector. */
  readonly selection?: { readonly labelSelector?: string | undefined; readonly fieldSelector?: string | undefined }
  /** The pages of a first list are passed on together: what another selection has found stays until then. */
  readonly whole?: true
  /** The API is asked for objects of this namespace alone; in a file, an object that names none is in it. */
  readonly namespace?: string
}

const CORE: Readonly<Partial<Record<Kind, Omit<Resource, 'kind' | 'custom'>>>> = {
  Node: { apiVersion: 'v1', plural: 'nodes', namespaced: false },
  // Headless Services have no address, and most endpoints are theirs.
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
    selection: { labelSelector: `!service.kubernetes.io/headless,!${PROXY_LABEL}` },
  },
}

/** Only the Secrets that objects name are read (`secretsIn`), and only the Pods of one node, if any (`podsOn`). */
const SOURCE_KINDS: readonly Kind[] = KINDS.filter((kind) => kind !== 'Secret' && kind !== 'Pod')

/** Kinds that are read only with Calico's own objects. */
const CALICO_KINDS: readonly Kind[] = ['FelixConfiguration', 'BlockAffinity', 'IPAMBlock']
/** Calico has no such kind: it is always in our own group, whatever group the other objects are in. */
const OURS_ALONE = { kind: 'BGPAdvertisement', apiVersion: 'godwit.dev/v1', plural: 'bgpadvertisements' } as const
const CALICO_GROUP = /^(?:crd\.)?projectcalico\.org(?:\/|$)/

export const isCalicoGroup = (apiGroup: string): boolean => CALICO_GROUP.test(apiGroup)

/**
 * Calico keeps its objects in either. Its API server shows those of the second in the first, all but IPAMBlocks; without that
 * server the cluster knows one of the two.
 */
const [CALICO, CALICO_STORAGE] = ['projectcalico.org/v3', 'crd.projectcalico.org/v1'] as const
const PLURALS: Readonly<Partial<Record<Kind, string>>> = { BlockAffinity: 'blockaffinities' }

/** The resources that a source reads. `apiGroup` is `godwit.dev` or `godwit.dev/v1`: the group of our own kinds. */
export function resourcesOf(apiGroup: string): readonly Resource[] {
  const apiVersion = versioned(apiGroup)
  const elsewhere = apiVersion === CALICO ? { elsewhere: CALICO_STORAGE } : {}
  const absent = isCalicoGroup(apiGroup) ? [] : CALICO_KINDS
  const kinds = SOURCE_KINDS.filter((kind) => !absent.includes(kind))
  return kinds.map((kind) => {
    const core = CORE[kind]
    if (core !== undefined) return { kind, custom: false, ...core }
    if (kind === OURS_ALONE.kind) return { custom: true, namespaced: false, ...OURS_ALONE }
    const plural = PLURALS[kind] ?? `${kind.toLowerCase()}s`
    return { kind, custom: true, apiVersion, ...elsewhere, plural, namespaced: false }
  })
}

/** Calico's own group has version v3; every other group here has v1. */
function versioned(apiGroup: string): string {
  if (apiGroup.includes('/')) return apiGroup
  return `${apiGroup}/${apiGroup === 'projectcalico.org' ? 'v3' : 'v1'}`
}

/** A kind's objects: all of them, or those of one namespace. */
interface Place extends Pick<Resource, 'apiVersion' | 'plural'> {
  readonly namespace?: string
}

/** `/api/v1/nodes`; of one namespace `/apis/coordination.k8s.io/v1/namespaces/godwit/leases`. */
export function pathOf({ apiVersion, plural, namespace }: Place): string {
  const place = namespace === undefined ? '' : `namespaces/${namespace}/`
  return `${apiVersion.includes('/') ? '/apis' : '/api'}/${apiVersion}/${place}${plural}`
}

/** Secrets of the agent's own namespace, or the one with a name. */
export const secretsIn = (namespace: string, name?: string): Resource => ({
  kind: 'Secret',
  apiVersion: 'v1',
  plural: 'secrets',
  namespaced: true,
  custom: false,
  namespace,
  // For one object by its name, a right to that name is enough.
  ...(name !== undefined && { selection: { fieldSelector: `metadata.name=${name}` } }),
})

/** Pods, or those of a node; of either those with these labels. */
export const podsOn = (node?: string, labelSelector?: string): Resource => ({
  kind: 'Pod',
  apiVersion: 'v1',
  plural: 'pods',
  namespaced: true,
  custom: false,
  selection: { ...(node !== undefined && { fieldSelector: `spec.nodeName=${node}` }), labelSelector },
  ...(node !== undefined && { whole: true }),
})

/** A user sets it when a node registers; it is removed when the node is ready. */
export const STARTUP_TAINT = 'godwit.dev/starting'

/** Kinds that the agent writes. */
export const NODE_STATUS = { apiVersion: 'godwit.dev/v1', kind: 'BGPNodeStatus', plural: 'bgpnodestatuses' } as const
export const LEASE_RESOURCE = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', plural: 'leases' } as const
export const EVENT_RESOURCE = { apiVersion: 'events.k8s.io/v1', kind: 'Event', plural: 'events' } as const
export const NODE = { apiVersion: 'v1', kind: 'Node', plural: 'nodes' } as const

/** A source of objects, as the agent uses it. */
export interface Source {
  readonly kind: 'kubernetes' | 'manifests'
  /** Reads everything again, where the source does not follow each change by itself. */
  reread?(): void
  /** Reads the Secrets with these names, and no others, where it does not read all of them anyhow. */
  followSecrets?(names: readonly string[]): void
  /** Reads the pods of this node that are selected, and no others; undefined: none. A folder is read whole anyhow. */
  followPods?(selection: PodSelection | undefined): void
  /** Reads the selected pods of all nodes: resolves once they are listed. A folder holds them anyhow. */
  readPods?(selection: PodSelection): Promise<void>
  /** Why no agent follows this one after SIGTERM; undefined: one does, or that cannot be known. */
  whyLeaves?(): Promise<string | undefined>
  /** Writes what the effect says, where the source can be written to. */
  report?(effect: StatusEffect): void
  stop(): Promise<void>
}
