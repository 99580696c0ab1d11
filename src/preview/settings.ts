/**
 * What a change of a neighbor's settings does beside routes of our own and resets: such changes show on a running session
 * alone, in what is learned or at its next start. `deploy/docs/objects.md` lists the same by field.
 */
import type { Policy } from '../bgp/policy/rule.ts'
import type { PeerType } from '../bgp/wire/context.ts'
import { keysOf, type NodeIntent, type PeerIntent, type ServiceGuards } from '../cluster/intent.ts'
import { same } from '../cluster/same.ts'

/** A field, and what its change does. */
export interface Setting {
  readonly field: string
  readonly effect: string
}

const NEXT_SESSION = 'applies from the next session on'
const IMPORT = 'learned routes are evaluated again'
const EXPORT = 'learned routes may be advertised otherwise, or no longer'

const SIGNING: Setting = {
  field: 'password or keyChain',
  effect: 'set on open sockets; the neighbor must have the key too',
}

/** The fields as they are called in a BGPPeer. Undefined: a reset or the routes show it, or it says who the neighbor is. */
const PEER: Readonly<Record<keyof PeerIntent, Setting | undefined>> = {
  name: undefined,
  kind: undefined,
  object: undefined,
  address: undefined,
  port: undefined,
  remoteAs: undefined,
  localAs: undefined,
  // `settingsOf`
  sourceAddress: undefined,
  sourceInterface: undefined,
  // With the address that it is said of.
  sourceMayYield: undefined,
  families: undefined,
  yields: undefined,
  held: undefined,
  // In the policies.
  drain: undefined,
  // It decides only who dials first, and may differ among the nodes of the mesh that one row stands for.
  waits: undefined,
  addPath: undefined,
  extendedNextHop: undefined,
  role: undefined,
  // `settingsOf`
  strictRole: undefined,
  interface: undefined,
  gateway: undefined,
  importPolicy: undefined,
  exportPolicy: undefined,
  policyParts: undefined,
  holdTime: { field: 'holdTime', effect: NEXT_SESSION },
  keepaliveTime: { field: 'keepaliveTime', effect: NEXT_SESSION },
  restartTime: { field: 'maxRestartTime', effect: NEXT_SESSION },
  longLivedTime: { field: 'longLivedStaleTime', effect: NEXT_SESSION },
  connectRetryTime: { field: 'connectRetryTime', effect: NEXT_SESSION },
  passive: { field: 'passive', effect: NEXT_SESSION },
  fastFailover: { field: 'fastExternalFailover', effect: NEXT_SESSION },
  maxPrefixes: { field: 'maxPrefixes', effect: 'a limit that is already exceeded ends the session' },
  maxRouteMemory: { field: 'maxRouteMemoryMiB', effect: 'a smaller limit rejects new routes' },
  allowedOwnAs: { field: 'numAllowedLocalASNumbers', effect: IMPORT },
  reflection: { field: 'routeReflectorClusterID', effect: EXPORT },
  // `isSignedAlike`
  signing: undefined,
  ttlSecurity: { field: 'ttlSecurity', effect: 'packets of a router that does not send with TTL 255 are dropped' },
  bfd: { field: 'bfd', effect: 'BFD follows at once' },
  range: { field: 'peerRangeLimit', effect: 'sessions above a smaller limit stay' },
}

/** Where a Secret is not among the objects of one side, only the references are compared, not the versions of the keys. */
function isSignedAlike(old: PeerIntent['signing'], now: PeerIntent['signing']): boolean {
  const isKnown = [old, now].every((signing) => keysOf(signing).every(({ version }) => version !== undefined))
  return isKnown ? same(old, now) : same(withoutVersions(old), withoutVersions(now))
}

function withoutVersions(signing: PeerIntent['signing']): PeerIntent['signing'] {
  if (signing === undefined) return undefined
  if (signing.kind === 'md5') return { ...signing, key: { ...signing.key, version: undefined } }
  return { ...signing, keys: signing.keys.map((one) => ({ ...one, key: { ...one.key, version: undefined } })) }
}

/** Of two settings of one neighbor, of this type now. */
export function* settingsOf(old: PeerIntent, now: PeerIntent, peerType: PeerType): Iterable<Setting> {
  for (const [key, setting] of Object.entries(PEER) as [keyof PeerIntent, Setting | undefined][])
    if (setting !== undefined && !same(old[key], now[key])) yield setting
  // From one address to another is a reset.
  if (old.sourceAddress !== undefined && now.sourceAddress === undefined)
    yield { field: 'sourceAddress', effect: NEXT_SESSION }
  if (old.strictRole && !now.strictRole) yield { field: 'strictRole', effect: NEXT_SESSION }
  if (!isSignedAlike(old.signing, now.signing)) yield SIGNING
  if (!same(rulesOf(old.importPolicy), rulesOf(now.importPolicy))) yield { field: 'import policy', effect: IMPORT }
  const learned = [old, now].map(({ exportPolicy }) => rulesForLearned(exportPolicy, peerType))
  if (!same(learned[0], learned[1])) yield { field: 'export policy', effect: EXPORT }
}

const rulesOf = ({ rules, otherwise }: Policy): unknown => [
  rules.map(({ match, action, operations, late }) => ({ match, action, operations, late })),
  otherwise,
]

/** The part of an export policy that decides on learned routes: up to the rule that decides on all of them. */
function rulesForLearned(policy: Policy, peerType: PeerType): unknown {
  const may = policy.rules.filter(
    ({ match }) => match.source !== 'originated' && (match.peerType === undefined || match.peerType === peerType),
  )
  const last = may.findIndex(({ match, action }) => action !== 'next' && isForAll(match))
  return rulesOf({
    ...policy,
    rules: last < 0 ? may : may.slice(0, last + 1),
    ...(last >= 0 && { otherwise: 'reject' }),
  })
}

const isForAll = (match: object): boolean => Object.keys(match).every((key) => key === 'source' || key === 'peerType')

/** Settings of a node that decide for all its neighbors. */
export interface ComparedNode {
  readonly node: NodeIntent | undefined
  readonly guards: ServiceGuards
  readonly recursiveNextHops: boolean
}

const SELECTS = 'other routes may be selected, and advertised'

export function* nodeSettingsOf(old: ComparedNode, now: ComparedNode): Iterable<Setting> {
  if (old.node === undefined || now.node === undefined) return
  if (!same(old.node.decision, now.node.decision)) yield { field: 'multipath or preferOldestPath', effect: SELECTS }
  if (old.recursiveNextHops !== now.recursiveNextHops) yield { field: 'recursiveNextHops', effect: SELECTS }
  const listening = [old.node, now.node].map(({ listenPort, listenAddresses }) => ({ listenPort, listenAddresses }))
  if (!same(listening[0], listening[1]))
    yield { field: 'listenPort or bindMode', effect: 'the listener moves; running sessions stay' }
  if (!same(old.guards.health, now.guards.health))
    yield { field: 'serviceHealthCheck', effect: 'services are withdrawn while the check fails' }
  if (!same(old.guards.damping, now.guards.damping))
    yield { field: 'serviceDamping', effect: 'applies to flaps from then on' }
}
