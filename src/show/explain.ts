/**
 * `show explain`: why an address, a prefix or a service is advertised, learned and forwarded, or why not. Each step
 * from the object to the wire names the object or neighbor that it depends on, its result, and the reason.
 */
import { contains, isHostPrefix, makePrefix, type Prefix, parsePrefix } from '../base/prefix.ts'
import type { RouteRow } from '../bgp/rib/types.ts'
import { advertisementCovering, FOR_ALL } from '../cluster/aggregation.ts'
import type { Problem, RouteIntent } from '../cluster/intent.ts'
import { podPools, poolAround } from '../cluster/pools.ts'
import { abridged } from './abridged.ts'
import { NODE_ROUTE } from './originated-kind.ts'
import { paced } from './paced.ts'
import { ownerSteps } from './pod-owner.ts'
import { formatLastError, stateOf } from './protocols.ts'
import { CODE, PAUSE, type Row } from './reply.ts'
import { ownRow } from './services.ts'
import type { Subject } from './subject.ts'
import type { KernelWay, ProtocolView, View } from './view.ts'

interface Step {
  readonly step: 'service' | 'address' | 'object' | 'own route' | 'import' | 'path' | 'kernel' | 'NAT'
  /** `Service/shop/web`, `Node/worker-1`, a neighbor. */
  readonly object: string | undefined
  readonly verdict: string
  readonly reason: string
}

/** Whether the prefix is advertised to one neighbor, and why. */
interface PeerStep {
  readonly peer: string
  /** Undefined: the session is not up. */
  readonly advertised: boolean | undefined
  readonly reason: string
}

/** The answer about one prefix, or about a Service without one. */
export interface Explanation {
  readonly subject: string
  readonly steps: readonly Step[]
  readonly peers: readonly PeerStep[]
  readonly kernel: KernelWay | undefined
}

/** Paths, and originated routes, that are listed of each prefix. */
const MOST_LISTED = 16
/** Neighbors that are asked between two pauses: each costs two searches of the RIB. */
const AT_ONCE = 16
/** Addresses of one service that are explained. */
const MOST_ADDRESSES = 8

/** One for each prefix, with pauses while many neighbors are asked. */
export function* explain(subject: Subject, view: View): Generator<typeof PAUSE | Explanation> {
  if (subject.kind === 'prefix') yield* explainPrefix(subject.prefix, [], view)
  else yield* explainService(`Service/${subject.name}`, view)
}

function* explainService(object: string, view: View): Generator<typeof PAUSE | Explanation> {
  const own = view.services().filter(({ objects }) => objects.includes(object))
  const why = view.refusals().get(object)
  const refused = [...view.refusals()].flatMap(([text, reason]) => {
    const prefix = reason.startsWith(`${object}: `) ? parsePrefix(text) : undefined
    return prefix === undefined ? [] : [prefix]
  })
  const prefixes = unique([...own.map(({ prefix }) => prefix), ...refused]).slice(0, MOST_ADDRESSES)
  if (prefixes.length === 0) {
    const reason = why ?? 'there is no such Service, or it has no address that can be advertised'
    const step: Step = { step: 'service', object, verdict: 'not advertised', reason }
    yield { subject: object, steps: [step], peers: [], kernel: undefined }
  }
  const serviceSteps: Step[] =
    why === undefined ? [] : [{ step: 'service', object, verdict: 'not advertised by itself', reason: why }]
  for (const prefix of prefixes) yield* explainPrefix(prefix, serviceSteps, view)
}

const unique = (prefixes: readonly Prefix[]): Prefix[] => [
  ...new Map(prefixes.map((prefix) => [prefix.text, prefix])).values(),
]

/** `serviceSteps`: what is said first, of the service that the prefix was found by. */
function* explainPrefix(
  prefix: Prefix,
  serviceSteps: readonly Step[],
  view: View,
): Generator<typeof PAUSE | Explanation> {
  const paths = view.routes({ for: prefix, family: prefix.family }, undefined, MOST_LISTED).rows
  const matched = paths[0]?.prefix ?? prefix.text
  const kernel = kernelWay(prefix, matched, view)
  const steps = [...serviceSteps, ...routeSteps(prefix, paths, view), ...kernelSteps(kernel), ...natSteps(prefix, view)]
  const peers = yield* peerSteps(paths, view)
  yield { subject: matched === prefix.text ? matched : `${prefix.text}, by ${matched}`, steps, peers, kernel }
}

/** The way of packets to an address, and what keeps the route that was found for it out of the kernel. */
function kernelWay(prefix: Prefix, matched: string, view: View): KernelWay | undefined {
  const kernel = view.kernelWay(prefix)
  const route = matched === prefix.text ? undefined : parsePrefix(matched)
  if (kernel === undefined || route === undefined || kernel.keptOut !== undefined) return kernel
  const keptOut = view.kernelWay(route)?.keptOut
  return { ...kernel, keptOut: keptOut === undefined ? undefined : `${matched}: ${keptOut}` }
}

/** From the objects to the paths; one step that says so where there are none. */
function routeSteps(prefix: Prefix, paths: readonly RouteRow[], view: View): Step[] {
  const filtered = view.routes({ for: prefix, family: prefix.family, filtered: true }, undefined, MOST_LISTED).rows
  const owner = ownerSteps(prefix, paths.length > 0, view)
  const imports = filtered.map((row) => filteredStep(row, prefix))
  const steps = [
    ...addressSteps(prefix, view),
    ...objectSteps(prefix, view),
    ...owner,
    ...imports,
    ...paths.map(pathStep),
  ]
  if (steps.length > 0) return steps
  const reason = 'no object of this node contains it, and no neighbor has advertised a route to it'
  return [{ step: 'path', object: undefined, verdict: 'none', reason }]
}

/** An address of this node itself. */
function addressSteps(prefix: Prefix, view: View): Step[] {
  if (!isHostPrefix(prefix)) return []
  const [address] = prefix.text.split('/')
  const on = view.interfaces().find(({ addresses }) => addresses.some((one) => one.split('/')[0] === address))
  if (on === undefined) return []
  const reason = 'as an address of the node it is advertised only where a BGPAdvertisement names the interface'
  return [{ step: 'address', object: undefined, verdict: `of this node, on ${on.name}`, reason }]
}

/** What each neighbor is told about the route that was found. */
function* peerSteps(paths: readonly RouteRow[], view: View): Generator<typeof PAUSE, PeerStep[]> {
  const steps: PeerStep[] = []
  const route = paths[0] && parsePrefix(paths[0].prefix)
  if (route === undefined) return steps
  const whose = paths.every(({ origin }) => origin === NODE_ROUTE) ? paths[0]?.object : undefined
  for (const protocol of paced(view.eachProtocol(), AT_ONCE)) {
    if (protocol === undefined) yield PAUSE
    else steps.push(peerStep(protocol, route, view, whose))
  }
  return steps
}

/** Originated routes inside or around a prefix, the most specific first; why it is not advertised itself; the pools around it. */
function objectSteps(prefix: Prefix, view: View): Step[] {
  const around = view.services().filter((route) => contains(route.prefix, prefix) || contains(prefix, route.prefix))
  const steps = around
    .sort((a, b) => b.prefix.length - a.prefix.length)
    .slice(0, MOST_LISTED)
    .map((route): Step => {
      const why = whyWaiting(route, view)
      return {
        step: 'own route',
        object: route.objects.join(', '),
        verdict: why === undefined ? 'advertised' : 'not advertised',
        reason: why === undefined ? ownWords(route) : `${route.prefix.text}: ${why}`,
      }
    })
  const refusal = refusalAround(prefix, around[0]?.prefix, view)
  const isSaid = steps.some(({ verdict, reason }) => verdict === 'not advertised' && reason.endsWith(refusal ?? ''))
  if (refusal !== undefined && !isSaid)
    steps.unshift({ step: 'own route', object: undefined, verdict: 'not advertised', reason: refusal })
  for (const { name, prefix: range, disableBgpExport } of view.pools()) {
    if (!contains(range, prefix)) continue
    const reason = disableBgpExport
      ? `disableBGPExport is set: no route inside ${range.text} is advertised, unless an export rule of a BGPFilter accepts it`
      : `inside ${range.text}`
    steps.push({
      step: 'object',
      object: `IPPool/${name}`,
      verdict: disableBgpExport ? 'not exported' : 'exported',
      reason,
    })
  }
  return steps
}

/** Why an originated route is advertised to nobody yet; undefined: it may be. */
function whyWaiting(route: RouteIntent, view: View): string | undefined {
  if (ownRow(route, view) !== undefined) return undefined
  const { text } = route.prefix
  const isNamed = ({ value, text: said }: Problem) => value === text || said.startsWith(`${text}: `)
  return view.refusals().get(text) ?? view.problems().find(isNamed)?.text ?? NOT_YET
}

const NOT_YET = 'it waits until the kernel ends its packets on this node'

/** Why the prefix, or the block that it is in, is not advertised; up to `until`, the originated route that it is in. */
function refusalAround(prefix: Prefix, until: Prefix | undefined, view: View): string | undefined {
  const refusals = view.refusals()
  const shortest = until === undefined || !contains(until, prefix) ? 0 : until.length
  for (let length = prefix.length; length >= shortest; length--) {
    const { text } = makePrefix(prefix.bytes, length)
    const why = refusals.get(text)
    if (why !== undefined) return length === prefix.length ? why : `${text}: ${why}`
  }
  return undefined
}

function ownWords({ prefix, origin, communities, named }: RouteIntent): string {
  const values = communities.map((parts) => parts.join(':')).join(' ')
  const names = named.flatMap(namingWords)
  const by = names.length === 0 ? '' : `, named by ${names.join(' and ')}`
  return `${prefix.text} as ${origin}${values === '' ? '' : `, communities ${values}`}${by}`
}

/** Names of BGPAdvertisements, without our own marks (`FOR_ALL`, `coveredBy`). */
function namingWords(name: string): string[] {
  if (name === FOR_ALL) return []
  const covering = advertisementCovering(name)
  return [covering === undefined ? `BGPAdvertisement/${name}` : `BGPAdvertisement/${covering} (by its covering prefix)`]
}

const nameOf = ({ peer, object, origin }: RouteRow): string => peer ?? object ?? origin

/** A rejected route to less than was asked about, such as the default route, says to what. */
const filteredStep = (row: RouteRow, asked: Prefix): Step => ({
  step: 'import',
  object: nameOf(row),
  verdict: 'rejected',
  reason: row.prefix === asked.text ? row.reason : `${row.prefix}: ${row.reason}`,
})

function pathStep(row: RouteRow): Step {
  const via = row.nextHops.length === 0 ? '' : ` via ${row.nextHops.join(' ')}`
  const verdict = `${row.best ? 'best' : 'not best'}${via}`
  return { step: 'path', object: nameOf(row), verdict, reason: row.reason }
}

/** `whose`: the node that the prefix belongs to, where the route is known from its Node only, not from a neighbor. */
function peerStep(protocol: ProtocolView, prefix: Prefix, view: View, whose: string | undefined): PeerStep {
  const { name, peer, disabled, held } = protocol
  if (peer.state !== 'Established') {
    const why = disabled ? 'disabled' : (held ?? formatLastError(peer.lastError ?? peer.attemptError))
    return {
      peer: name,
      advertised: undefined,
      reason: `the session is ${stateOf(protocol)}${why === '' ? '' : `: ${why}`}`,
    }
  }
  if (whose !== undefined) return { peer: name, advertised: false, reason: `${whose} advertises it itself` }
  const query = { for: prefix, family: prefix.family }
  const row = view.routes({ ...query, export: name }, undefined, 1).rows[0]
  const refused = view.routes({ ...query, noexport: name }, undefined, 1).rows[0]
  if (row !== undefined) {
    const via = row.nextHops.length === 0 ? '' : `, next hop ${row.nextHops.join(' ')}`
    const isWider = row.prefix !== prefix.text && refused?.prefix === prefix.text
    const but = isWider ? `; ${prefix.text} itself is not: ${refused.reason}` : ''
    return { peer: name, advertised: true, reason: `${row.prefix}${via}${but}` }
  }
  const family = protocol.families[prefix.family]
  const reason =
    refused?.reason ?? family?.held ?? (family === undefined ? whyNoFamily(prefix) : 'it is not advertised yet')
  return { peer: name, advertised: false, reason }
}

const whyNoFamily = ({ family }: Prefix): string => `the session does not carry ${family}`

function kernelSteps(kernel: KernelWay | undefined): Step[] {
  if (kernel === undefined) return []
  const steps: Step[] = []
  if (kernel.keptOut !== undefined) {
    steps.push({ step: 'kernel', object: undefined, verdict: 'not written', reason: kernel.keptOut })
  }
  const { lookup = 'no route' } = kernel
  return [...steps, { step: 'kernel', object: undefined, verdict: lookup, reason: whereItLeads(kernel) }]
}

function whereItLeads({ lookup, isOwn }: KernelWay): string {
  if (isOwn) return 'an address of this node: packets to it end here'
  return lookup === undefined ? 'this node drops packets to it' : 'the route that packets to it take here'
}

/** How the source address of packets from a pod is translated. */
function natSteps(prefix: Prefix, view: View): Step[] {
  const nat = view.nat()
  if (nat === undefined || !isHostPrefix(prefix)) return []
  const pool = poolAround(podPools(view.pools()), prefix)
  if (pool === undefined) return []
  const object = `IPPool/${pool.name}`
  if (!pool.natOutgoing) {
    return [
      {
        step: 'NAT',
        object,
        verdict: 'not translated',
        reason: 'natOutgoing is off: packets keep their source address',
      },
    ]
  }
  const to = pool.nat.address ?? 'the address of the interface they leave by'
  const spared = pool.nat.exclude.map(({ text }) => text)
  const outside = `outside all pools${spared.length === 0 ? '' : ` and ${abridged(spared, ', ', 'and')}`}`
  const yet = nat.active ? '' : '; the kernel does not have the rules yet'
  const reason = `natOutgoing is on: packets to destinations ${outside} leave with ${to}${yet}`
  return [{ step: 'NAT', object, verdict: 'translated', reason }]
}

export function* explainRows(subject: Subject, view: View): Iterable<Row> {
  for (const one of explain(subject, view)) {
    if ('code' in one) yield one
    else yield* explanationRows(one)
  }
  yield { code: CODE.ok, text: '' }
}

function* explanationRows({ subject, steps, peers }: Explanation): Iterable<Row> {
  yield { code: CODE.explainHeading, text: subject }
  for (const { step, object, verdict, reason } of steps) {
    const about = object === undefined ? verdict : `${object}: ${verdict}`
    yield { code: CODE.explain, text: `  ${step.padEnd(10)} ${about}${reason === '' ? '' : ` (${reason})`}` }
  }
  for (const text of peerLines(peers)) yield { code: CODE.explain, text: `  ${text}` }
}

/** Neighbors with the same answer share one line: a mesh has thousands. */
function peerLines(peers: readonly PeerStep[]): readonly string[] {
  const groups = new Map<string, string[]>()
  for (const { peer, advertised, reason } of peers) {
    const key = `${advertised === undefined ? 'cannot be advertised' : advertised ? 'advertised' : 'not advertised'} (${reason})`
    const names = groups.get(key)
    if (names === undefined) groups.set(key, [peer])
    else names.push(peer)
  }
  return [...groups].map(([said, names]) => {
    return `${'peer'.padEnd(10)} ${abridged(names, ', ', 'and')}: ${said}`
  })
}
