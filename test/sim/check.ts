/**
 * What must hold when nothing is under way any more. Each condition is local to a host or a session, and together they
 * leave no room: what is held is what was told, what was told is the best that policy lets out, the best is the best of
 * what is held. A path grows with every host it passes, or its CLUSTER_LIST does, so no route can live on without its origin.
 */

import type { RouteQuery, RouteRow } from '../../src/bgp/rib/types.ts'
import type { Session } from '../../src/bgp/session/types.ts'
import { IntentBuilder } from '../../src/cluster/build-intent.ts'
import type { Intent, PeerIntent } from '../../src/cluster/intent.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import type { ProtocolView } from '../../src/show/view.ts'
import { upsert } from '../support/objects.ts'
import type { Host, World } from '../support/world.ts'
import { bestOf, describe, familyOf, type Held, type Side, type Told, takenOf, tellOf } from './naive.ts'
import type { Site, Stage } from './site.ts'

interface Portrait {
  readonly site: Site
  readonly host: Host
  readonly intent: Intent
  readonly protocols: readonly ProtocolView[]
  readonly sides: ReadonlyMap<string, Side>
  readonly sessions: ReadonlyMap<string, Session>
  /** Usable and refused, by neighbor and prefix. */
  readonly held: ReadonlyMap<string | undefined, ReadonlyMap<string, RouteRow>>
  readonly best: ReadonlyMap<string, Held>
  /** Prefixes whose best route is that neighbor's. */
  readonly bestOf: ReadonlyMap<string | undefined, readonly string[]>
  /** By the address of the neighbor. */
  readonly protocolAt: ReadonlyMap<string, ProtocolView>
  readonly told: Map<string, ReadonlyMap<string, Told>>
  readonly own: ReadonlySet<string>
}

/** All that is wrong, each in a line. `sample`: of how many sessions the view of what was told is read as well. */
export function whatIsWrong(stage: Stage, intents: Intents, sample: () => boolean): string[] {
  const { world } = stage
  const portraits = new Map<string, Portrait>()
  const wrong: string[] = []
  for (const [site, intent] of intents) {
    if (site.host !== undefined) portraits.set(site.name, portray(site, site.host, intent, world))
  }
  const origins = new Set([...portraits.values()].flatMap(({ intent }) => [...intent.routes.keys()]))
  const byAddress = new Map(
    [...portraits.values()].flatMap((one) => one.site.addresses.map((address) => [address, one])),
  )
  for (const one of portraits.values()) {
    wrong.push(...wrongAlone(one, origins))
    for (const protocol of one.protocols) {
      const other = byAddress.get(protocol.peer.config.remote.address)
      wrong.push(...wrongBetween(one, protocol, other, sample() ? world : undefined))
    }
  }
  return wrong
}

type Intents = ReadonlyMap<Site, Intent>

/** What objects ask of those who run. */
export const intentsOf = (stage: Stage): Intents => new Map(stage.running().map((site) => [site, intentOf(site)]))

/** Sessions that objects ask for at both ends: what must come up, and nothing else. */
export function expectedSessions(intents: Intents): Map<string, number> {
  const byAddress = new Map([...intents.keys()].flatMap((site) => site.addresses.map((address) => [address, site])))
  const counts = new Map<string, number>()
  for (const [site, { peers }] of intents) {
    let count = 0
    for (const peer of peers.values()) {
      const other = byAddress.get(peer.address)
      const back = other && intents.get(other)?.peers
      const answers = [...(back?.values() ?? [])].some(
        ({ address, held }) => site.addresses.includes(address) && held === undefined,
      )
      if (peer.held === undefined && answers) count++
    }
    counts.set(site.name, count)
  }
  return counts
}

function intentOf(site: Site): Intent {
  const store = new ObjectStore()
  store.apply(site.objects().map((object) => upsert(object)))
  return new IntentBuilder({ node: site.name }).build(store)
}

function rowsOf(host: Host, now: number, query: RouteQuery): RouteRow[] {
  const rows: RouteRow[] = []
  const view = host.engine.view(now)
  let from: number | undefined
  do {
    const page = view.routes(query, from, 1_000)
    for (const row of page.rows) rows.push(row)
    from = page.next
  } while (from !== undefined)
  return rows
}

function portray(site: Site, host: Host, intent: Intent, world: World): Portrait {
  const protocols = [...host.engine.view(world.now).eachProtocol()]
  const sides = new Map<string, Side>()
  const sessions = new Map<string, Session>()
  for (const protocol of protocols) {
    const { session } = protocol.peer
    const wanted = intent.peers.get(protocol.name)
    if (session === undefined || wanted === undefined) continue
    sessions.set(protocol.name, session)
    sides.set(protocol.name, sideOf(protocol, session, wanted, intent))
  }
  const held = new Map<string | undefined, Map<string, RouteRow>>()
  const paths = new Map<string, Held[]>()
  for (const row of [...rowsOf(host, world.now, {}), ...rowsOf(host, world.now, { filtered: true })]) {
    const rows = held.get(row.peer) ?? new Map<string, RouteRow>()
    held.set(row.peer, rows.set(row.prefix, row))
    if (row.filtered) continue
    const known = paths.get(row.prefix)
    if (known === undefined) paths.set(row.prefix, [heldOf(row)])
    else known.push(heldOf(row))
  }
  const best = new Map<string, Held>()
  const bestOfPeer = new Map<string | undefined, string[]>()
  for (const [prefix, all] of paths) {
    const first = bestOf(all, sides) as Held
    best.set(prefix, first)
    const known = bestOfPeer.get(first.peer)
    if (known === undefined) bestOfPeer.set(first.peer, [prefix])
    else known.push(prefix)
  }
  const protocolAt = new Map(protocols.map((protocol) => [protocol.peer.config.remote.address, protocol]))
  const own = new Set([...sides.values()].flatMap(({ nextHops }) => Object.values(nextHops).map(String)))
  return {
    site,
    host,
    intent,
    protocols,
    sides,
    sessions,
    held,
    best,
    bestOf: bestOfPeer,
    protocolAt,
    told: new Map(),
    own,
  }
}

const heldOf = ({ prefix, peer, peerType, nextHops: [nextHop], attributes }: RouteRow): Held => ({
  prefix,
  peer,
  learned: peerType,
  nextHop,
  attributes,
})

function sideOf(protocol: ProtocolView, session: Session, wanted: PeerIntent, intent: Intent): Side {
  const nextHops: Record<string, string | undefined> = {}
  for (const family of session.families) {
    nextHops[family] =
      familyOf(session.local.address) === family ? session.local.address : intent.node?.addresses[family]
  }
  return {
    name: protocol.name,
    peerType: session.peerType,
    localAs: session.localAs,
    remoteAs: session.remoteAs,
    localRouterId: session.localRouterId,
    remoteRouterId: session.remoteRouterId,
    remoteAddress: session.remote.address,
    importPolicy: wanted.importPolicy,
    exportPolicy: wanted.exportPolicy,
    reflection: session.peerType === 'internal' ? wanted.reflection : undefined,
    nextHops,
  }
}

function wrongAlone({ host, intent, held, best, sides }: Portrait, origins: ReadonlySet<string>): string[] {
  const wrong: string[] = []
  const say = (text: string) => wrong.push(`${host.name}: ${text}`)
  const own = held.get(undefined) ?? new Map<string, RouteRow>()
  for (const prefix of intent.routes.keys()) if (!own.has(prefix)) say(`does not have its own ${prefix}`)
  for (const prefix of own.keys())
    if (!intent.routes.has(prefix)) say(`has ${prefix} of its own, which no object asks for`)
  for (const [peer, rows] of held) {
    if (peer !== undefined && !sides.has(peer)) say(`has routes of ${peer}, with which there is no session`)
    for (const { prefix, best: isBest, reason } of rows.values()) {
      if (!origins.has(prefix)) say(`has ${prefix} from ${peer ?? 'itself'}, which nobody announces`)
      const should = best.get(prefix)?.peer === peer && best.has(prefix)
      if (isBest !== should) say(`${prefix} from ${peer ?? 'itself'} is ${isBest ? '' : 'not '}best (${reason})`)
    }
  }
  return wrong
}

function wrongBetween(
  one: Portrait,
  protocol: ProtocolView,
  other: Portrait | undefined,
  read: World | undefined,
): string[] {
  const { name, peer } = protocol
  const side = one.sides.get(name)
  const back = one.site.addresses.map((address) => other?.protocolAt.get(address)).find((known) => known !== undefined)
  if (side === undefined || other === undefined || back === undefined) {
    return peer.state === 'Established' && other === undefined ? [`${one.host.name}: ${name} is up with nobody`] : []
  }
  const words = `${one.host.name} to ${other.host.name}`
  const there = other.sides.get(back.name)
  if (there === undefined) return [`${words}: only one end is up`]
  const told = toldTo(one, side)
  const held = other.held.get(back.name) ?? new Map<string, RouteRow>()
  const wrong: string[] = []
  for (const [prefix, route] of told) {
    const families = there.nextHops
    if (families[familyOf(prefix)] === undefined) continue
    const row = held.get(prefix)
    const taken = takenOf(prefix, route, there, other.own)
    const expected = `${taken.refused ? 'refused' : 'taken'} ${describe({ nextHop: route.nextHop, attributes: taken.attributes })}`
    const found = row && `${row.filtered ? 'refused' : 'taken'} ${describe(asTold(row))}`
    if (found !== expected) wrong.push(`${words}: ${prefix} is ${found ?? 'missing'}, not ${expected}`)
  }
  for (const prefix of held.keys()) if (!told.has(prefix)) wrong.push(`${words}: ${prefix} is held and should not be`)
  for (const family of ['ipv4', 'ipv6'] as const) {
    const count = (prefixes: Iterable<string>) => [...prefixes].filter((prefix) => familyOf(prefix) === family).length
    const { advertised = 0 } = protocol.families[family]?.counts ?? {}
    const { received = 0 } = back.families[family]?.counts ?? {}
    if (advertised !== count(told.keys()))
      wrong.push(`${words}: ${advertised} ${family} advertised, not ${count(told.keys())}`)
    if (received !== count(held.keys()))
      wrong.push(`${words}: ${received} ${family} counted, not ${count(held.keys())}`)
  }
  if (read !== undefined) wrong.push(...wrongInView(one, name, told, read, words))
  return wrong
}

/** What the sender's own view says it told. */
function wrongInView(
  one: Portrait,
  name: string,
  told: ReadonlyMap<string, Told>,
  { now }: World,
  words: string,
): string[] {
  const seen = new Map(rowsOf(one.host, now, { export: name }).map((row) => [row.prefix, describe(asTold(row))]))
  const wrong: string[] = []
  for (const [prefix, route] of told) {
    if (seen.get(prefix) !== describe(route)) {
      wrong.push(`${words}: the view says that ${prefix} was told as ${seen.get(prefix)}, not ${describe(route)}`)
    }
  }
  for (const prefix of seen.keys()) if (!told.has(prefix)) wrong.push(`${words}: the view says that ${prefix} was told`)
  return wrong
}

const asTold = ({ nextHops: [nextHop = ''], attributes }: RouteRow): Told => ({ nextHop, attributes })

/** Neighbors alike in all that matters are told the same, but for what came from them. */
function toldTo(one: Portrait, side: Side): ReadonlyMap<string, Told> {
  const { exportPolicy, peerType, localAs, nextHops, reflection } = side
  const key = [numberOf(exportPolicy), peerType, localAs, nextHops.ipv4, nextHops.ipv6, reflection?.client].join()
  let all = one.told.get(key)
  if (all === undefined) {
    const made = new Map<string, Told>()
    for (const [prefix, best] of one.best) {
      const from = best.peer === undefined ? undefined : one.sides.get(best.peer)
      const told = tellOf(best, from, { ...side, name: '' })
      if (told !== undefined) made.set(prefix, told)
    }
    all = made
    one.told.set(key, all)
  }
  const back = one.bestOf.get(side.name)?.filter((prefix) => all.has(prefix)) ?? []
  if (back.length === 0) return all
  const some = new Map(all)
  for (const prefix of back) some.delete(prefix)
  return some
}

const numbers = new WeakMap<object, number>()
let count = 0

function numberOf(policy: object): number {
  const known = numbers.get(policy)
  if (known !== undefined) return known
  numbers.set(policy, ++count)
  return count
}
