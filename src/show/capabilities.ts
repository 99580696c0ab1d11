/** Capabilities (RFC 5492) as `show protocols all` lists them. */
import { familyOfPair } from '../base/family.ts'
import type { Capability } from '../bgp/wire/message.ts'

type Kind = Capability['kind']

/** The order of the list. Unknown capabilities come last, each by its code. */
const ORDER: readonly Kind[] = [
  'multiprotocol',
  'route-refresh',
  'extended-next-hop',
  'extended-message',
  'graceful-restart',
  'four-octet-as',
  'add-path',
  'enhanced-refresh',
  'role',
  'fqdn',
  'long-lived-graceful-restart',
]

export function* capabilityRows(capabilities: readonly Capability[]): Iterable<string> {
  for (const kind of ORDER) {
    const some = capabilities.filter((capability) => capability.kind === kind)
    if (some.length > 0) for (const text of linesOf(kind, some)) yield `      ${text}`
  }
  for (const capability of capabilities) {
    if (capability.kind === 'unknown') yield `      Unknown: ${capability.code}`
  }
}

function linesOf(kind: Kind, some: readonly Capability[]): readonly string[] {
  switch (kind) {
    case 'multiprotocol':
      return ['Multiprotocol', `  AF announced: ${familiesOf(each(some, kind))}`]
    case 'route-refresh':
      return ['Route refresh']
    case 'extended-next-hop':
      return ['Extended next hop', `  IPv6 nexthop: ${familiesOf(each(some, kind).flatMap(({ tuples }) => tuples))}`]
    case 'extended-message':
      return ['Extended message']
    case 'graceful-restart':
      return gracefulRestart(each(some, kind).at(-1))
    case 'long-lived-graceful-restart':
      return longLived(each(some, kind).at(-1))
    case 'four-octet-as':
      return ['4-octet AS numbers']
    case 'add-path':
      return addPath(each(some, kind).flatMap(({ families }) => families))
    case 'enhanced-refresh':
      return ['Enhanced refresh']
    case 'role':
      return each(some, kind).map(({ role }) => `Role: ${ROLES[role] ?? role}`)
    case 'fqdn':
      return each(some, kind).map(({ host, domain }) => `Hostname: ${domain === '' ? host : `${host}.${domain}`}`)
    case 'unknown':
      return []
  }
}

/** The roles of RFC 9234 §4.1 by their numbers, in BIRD's words. */
const ROLES = ['provider', 'rs_server', 'rs_client', 'customer', 'peer']

const each = <K extends Kind>(some: readonly Capability[], kind: K): Extract<Capability, { readonly kind: K }>[] =>
  some.filter((one): one is Extract<Capability, { readonly kind: K }> => one.kind === kind)

interface Afi {
  readonly afi: number
  readonly safi: number
}

const familiesOf = (pairs: readonly Afi[]): string => pairs.map(familyName).join(' ')
const familyName = ({ afi, safi }: Afi): string => familyOfPair(afi, safi) ?? `afi-${afi}-safi-${safi}`

/** RFC 4724 §3: the last one counts. */
function gracefulRestart(last: Extract<Capability, { readonly kind: 'graceful-restart' }> | undefined): string[] {
  if (last === undefined) return []
  const { families, restartTime, restarted } = last
  if (families.length === 0) return ['Graceful restart']
  const preserved = families.filter((family) => family.preserved)
  return [
    'Graceful restart',
    `  Restart time: ${restartTime}`,
    ...(restarted ? ['  Restart recovery'] : []),
    `  AF supported: ${familiesOf(families)}`,
    `  AF preserved: ${familiesOf(preserved)}`,
  ]
}

/** RFC 9494 §3: the last one counts. */
function longLived(last: Extract<Capability, { readonly kind: 'long-lived-graceful-restart' }> | undefined): string[] {
  if (last === undefined || last.families.length === 0) return ['Long-lived graceful restart']
  const preserved = last.families.filter((family) => family.preserved)
  return [
    'Long-lived graceful restart',
    `  LL stale time: ${Math.max(...last.families.map(({ staleTime }) => staleTime))}`,
    `  AF supported: ${familiesOf(last.families)}`,
    `  AF preserved: ${familiesOf(preserved)}`,
  ]
}

/** RFC 7911 §4: mode 1 receives, 2 sends, 3 does both. */
function addPath(families: readonly (Afi & { readonly mode: number })[]): string[] {
  const receives = families.filter(({ mode }) => mode === 1 || mode === 3)
  const sends = families.filter(({ mode }) => mode === 2 || mode === 3)
  return [
    'ADD-PATH',
    ...(receives.length > 0 ? [`  RX: ${familiesOf(receives)}`] : []),
    ...(sends.length > 0 ? [`  TX: ${familiesOf(sends)}`] : []),
  ]
}
