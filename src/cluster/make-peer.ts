/** Makes the neighbor of a chosen candidate: its endpoint, timers, policies, key and features, with the defaults. */
import { addressBytes, familyOfAddress, isLinkLocal } from '../base/address.ts'
import { hex } from '../base/bytes.ts'
import { FAMILIES, FAMILY_WORDS, type Family } from '../base/family.ts'
import type { Seconds } from '../base/units.ts'
import { COUNTERPART } from '../bgp/wire/role.ts'
import type { KeyIntent, PeerIntent, Problem, Signing } from './intent.ts'
import { resolveKey } from './keys.ts'
import type { ClusterNode } from './node.ts'
import type { PeerObject, SecretKeyRef } from './objects.ts'
import { prefixLimit } from './parse/peer-features.ts'
import { MESH_FIELDS, PEER_FIELDS } from './parse/protection.ts'
import {
  asOf,
  type Candidate,
  hasOwnAddress,
  isOnLinkAlone,
  type NamedCandidate,
  type PeerInputs,
  RANK,
  selects,
  sessionFamily,
} from './peer-candidates.ts'
import type { PeerPolicies, PolicyRequest } from './policies.ts'
import { makeProblem } from './problem.ts'
import { matches } from './selector.ts'
import type { Settings } from './settings.ts'

const HOLD_TIME: Seconds = 90
/** The default of Calico and BIRD. A replaced agent is back well before, even if its image has to be pulled. */
const RESTART_TIME: Seconds = 120
/** The delay before the second dial; it doubles with each further one. */
const CONNECT_RETRY_TIME: Seconds = 1
/** The default limit for each family: far more than a cluster has, far less than a full Internet table. */
export const DEFAULT_MAX_PREFIXES = 100_000

export function makePeer(
  candidate: NamedCandidate,
  { importPolicy, exportPolicy, policyParts, held, missing }: PeerPolicies,
  inputs: PeerInputs,
  problems: Problem[],
): PeerIntent {
  const { me, settings } = inputs
  const { object, kind, address, port, remoteAs, localAs, node } = candidate
  problems.push(...sourceProblem(candidate, me))
  for (const { index, name, why } of missing) problems.push(filterProblem(object, index, name, why))
  const family = sessionFamily(candidate)
  const { signing, why } = signingOf(candidate, inputs, problems)
  return {
    name: candidate.name,
    kind,
    object: object?.name,
    address,
    port,
    remoteAs,
    localAs,
    // For a neighbor known only on its link, the kernel chooses our address there.
    sourceAddress: object?.source === 'kernel' || isOnLinkAlone(candidate) ? undefined : me.addresses[family],
    sourceInterface: object?.sourceInterface,
    // Other nodes accept sessions from this address only.
    sourceMayYield: object?.source === 'node-or-link' && node === undefined,
    families: object?.families ?? candidate.families ?? defaultFamilies(candidate, me),
    yields: object?.families === undefined,
    holdTime: object?.holdTime ?? HOLD_TIME,
    keepaliveTime: object?.keepaliveTime,
    restartTime: restartTime(object === undefined ? settings.meshRestartTime : object.restartTime),
    longLivedTime: object?.longLivedTime ?? 0,
    connectRetryTime: object?.connectRetryTime ?? CONNECT_RETRY_TIME,
    drain: object?.drain ?? false,
    passive: isPassive(object) ? !isMirror(candidate) && !dialsAnyway(candidate, me) : object?.range !== undefined,
    fastFailover: object?.fastFailover ?? true,
    // The other end of a passive one dials at once.
    waits: node !== undefined && isHigher(node, me, family) && !(isMirror(candidate) && isPassive(object)),
    bfd: object === undefined ? settings.meshBfd : object.bfd,
    importPolicy,
    exportPolicy,
    policyParts,
    held: me.held ?? node?.held ?? (object === undefined ? settings.meshHeld : object.held) ?? why ?? held,
    signing,
    ttlSecurity: object?.ttlSecurity,
    ...featuresOf(candidate, me),
    ...memoryOf(object, settings),
  }
}

/** By the addresses of the session, so that both ends, and Calico's BIRD, agree who dials. */
function isHigher(node: ClusterNode, me: ClusterNode, family: Family): boolean {
  const [theirs, ours] = [node.addresses[family], me.addresses[family]]
  if (theirs === undefined || ours === undefined) return node.routerId > me.routerId
  return hex(addressBytes(theirs)) > hex(addressBytes(ours))
}

/** How TCP segments of the session are signed, or why the session is held. */
function signingOf(
  { object }: Candidate,
  { settings, secrets, namespace }: PeerInputs,
  problems: Problem[],
): { readonly signing: Signing<KeyIntent> | undefined; readonly why: string | undefined } {
  const asked = object === undefined ? settings.meshSigning : object.signing
  if (asked === undefined) return { signing: undefined, why: undefined }
  let firstWhy: string | undefined
  const resolve = (ref: SecretKeyRef, at: string): KeyIntent => {
    const { key, why } = resolveKey(ref, secrets, namespace)
    if (why !== undefined) problems.push(keyProblem(object, at, why))
    firstWhy ??= why
    return key
  }
  const fields = object === undefined ? MESH_FIELDS : PEER_FIELDS
  const signing: Signing<KeyIntent> =
    asked.kind === 'md5'
      ? { kind: 'md5', key: resolve(asked.key, fields.password) }
      : {
          kind: 'ao',
          keys: asked.keys.map((one, index) => ({ ...one, key: resolve(one.key, `${fields.keyChain}[${index}]`) })),
        }
  return { signing, why: firstWhy }
}

function keyProblem(object: PeerObject | undefined, at: string, why: string): Problem {
  const [name, what] =
    object === undefined ? ['BGPConfiguration/default', 'the mesh'] : [`BGPPeer/${object.name}`, 'the peer']
  const says = `${why}; ${what} does not start; a running session keeps its last good key`
  return makeProblem({ code: 'peer-key-missing', object: name, field: `spec.${at}.secretKeyRef`, says })
}

/** A problem if `sourceAddress: UseNodeIP` is set and the node has no address of that family. */
function sourceProblem({ object, address, rank }: Candidate, me: ClusterNode): Problem[] {
  const family = familyOfAddress(address)
  if (object?.remote === undefined || rank === RANK.mirror || isLinkLocal(address)) return []
  if (object.source === 'kernel' || me.addresses[family] !== undefined) return []
  const says = `is reached over ${FAMILY_WORDS[family]}, for which Node/${me.name} has no address: the kernel chooses the source address`
  return [
    makeProblem({
      code: 'peer-family-missing',
      object: `BGPPeer/${object.name}`,
      field: 'spec.peerIP',
      value: address,
      says,
      level: 'warning',
    }),
  ]
}

/** 0: graceful restart is not announced. */
const restartTime = (set: Seconds = RESTART_TIME): Seconds | undefined => (set === 0 ? undefined : set)

const DEFAULT_LIMIT = prefixLimit(DEFAULT_MAX_PREFIXES)

const memoryOf = (object: PeerObject | undefined, settings: Settings): Pick<PeerIntent, 'maxRouteMemory'> => {
  const maxRouteMemory = object?.maxRouteMemory ?? settings.maxRouteMemory
  return maxRouteMemory === undefined ? {} : { maxRouteMemory }
}

type Features =
  | 'maxPrefixes'
  | 'allowedOwnAs'
  | 'addPath'
  | 'extendedNextHop'
  | 'role'
  | 'strictRole'
  | 'reflection'
  | 'interface'
  | 'gateway'
  | 'range'

function featuresOf(candidate: Candidate, me: ClusterNode): Pick<PeerIntent, Features> {
  const { object } = candidate
  // Over IPv6, from a node without IPv4, IPv4 routes can have no other next hop (RFC 8950); on a link alone they hardly
  // can.
  const onlyWay = isOnLinkAlone(candidate) || (sessionFamily(candidate) === 'ipv6' && me.addresses.ipv4 === undefined)
  return {
    maxPrefixes: { ipv4: DEFAULT_LIMIT, ipv6: DEFAULT_LIMIT, ...object?.maxPrefixes },
    allowedOwnAs: object?.allowedOwnAs ?? 0,
    addPath: addPathOf(candidate),
    extendedNextHop: object?.extendedNextHop ?? onlyWay,
    role: roleOf(candidate),
    strictRole: object?.strictRole ?? false,
    reflection: reflectionOf(candidate, me),
    interface: object?.interface,
    gateway: candidate.gateway,
    range: object?.range,
  }
}

/** The BGPPeer speaks of the other end: what it says of one end is turned round. */
const isMirror = ({ rank }: Candidate): boolean => rank === RANK.mirror

const isPassive = (object: PeerObject | undefined): boolean => object?.passive ?? false

/**
 * A passive BGPPeer that makes two nodes neighbors of each other would leave a session that nobody dials: of such nodes, the one
 * that dials first in the mesh does.
 */
function dialsAnyway(candidate: Candidate, me: ClusterNode): boolean {
  const { object, node } = candidate
  if (object?.peerSelector === undefined || node === undefined) return false
  const isMutual = selects(object, node) && matches(object.peerSelector, me.labels)
  return isMutual && !isHigher(node, me, sessionFamily(candidate))
}

/** RFC 9234 §4.2: two ends of a session have roles that fit. */
function roleOf(candidate: Candidate): PeerIntent['role'] {
  const role = candidate.object?.role
  return role !== undefined && isMirror(candidate) ? COUNTERPART[role] : role
}

/** RFC 7911 §4: one end sends what the other receives. */
function addPathOf(candidate: Candidate): PeerIntent['addPath'] {
  const { receive, send } = candidate.object?.addPath ?? { receive: [], send: [] }
  return isMirror(candidate) ? { receive: send, send: receive } : { receive, send }
}

/** As in Calico, an internal neighbor with a cluster ID other than ours, or with none, is our client. */
function reflectionOf(candidate: Candidate, { clusterId }: ClusterNode): PeerIntent['reflection'] {
  if (clusterId === undefined || asOf(candidate) !== candidate.localAs) return undefined
  return { clusterId, client: candidate.node?.clusterId !== clusterId }
}

export const meshRequest = ({ meshFilters, meshFiltersUnread }: Settings): PolicyRequest => ({
  filters: meshFilters,
  filtersUnread: meshFiltersUnread,
  advertiseLearned: false,
  nextHop: 'auto',
})

/** Both families for a router, which announces its own in its OPEN; for a node, those in which it has addresses. */
function defaultFamilies(candidate: Candidate, me: ClusterNode): readonly Family[] {
  if (isOnLinkAlone(candidate) || hasOwnAddress(candidate)) return FAMILIES
  const { node } = candidate
  return FAMILIES.filter((family) => me.addresses[family] !== undefined && node?.addresses[family] !== undefined)
}

const UNTIL_THERE = 'does not start; a running session keeps the rules of its last good filters'

/** The code of a problem: the object that is named exists, and is wrong. */
export const FILTER_WRONG = 'peer-filter-wrong'

/** The problem of a missing filter; `object` is undefined for the mesh. */
export function filterProblem(object: PeerObject | undefined, index: number, name: string, why: string): Problem {
  const isThere = why !== 'does not exist'
  return makeProblem({
    code: isThere ? FILTER_WRONG : 'peer-filter-missing',
    object: object === undefined ? 'BGPConfiguration/default' : `BGPPeer/${object.name}`,
    field: object === undefined ? `spec.nodeMeshFilters[${index}]` : `spec.filters[${index}]`,
    value: name,
    says: `${isThere ? 'is a BGPFilter with errors' : 'is not a BGPFilter'}; ${object === undefined ? 'the mesh' : 'the peer'} ${UNTIL_THERE}`,
  })
}
