import { FAMILIES, type Family } from '../../src/base/family.ts'
import { within } from '../../src/bgp/policy/prefix-set.ts'
import type { DecisionSettings } from '../../src/bgp/rib/decide.ts'
import type { Straying } from '../../src/bgp/rib/straying.ts'
import type { ImportSide, RibPeer } from '../../src/bgp/rib/types.ts'
import { encodeEndOfRib } from '../../src/bgp/wire/update-encode.ts'
import { announcement, originatedRoute, prefix, withdrawal } from './rib.ts'
import {
  at,
  carriedBy,
  DECISIONS,
  HOPS,
  IMPORTS,
  KEEPS,
  NODE_ADDRESSES,
  neighborOf,
  netsOf,
  PODS,
  RANGES,
  REACHES,
  ROLES,
  returnedAs,
  STRAYING,
  shaped,
} from './rib-changes.ts'
import { bringUp, Facts, type Held, type Known, type Mark, Scene } from './rib-scene.ts'
import { updateOf } from './rib-updates.ts'

export type Step = readonly [kind: string, peer: number, a: number, b: number, c: number]

interface HistoryOptions {
  /** So many one after the other, or these. */
  readonly prefixes: number | Readonly<Record<Family, readonly string[]>>
  /** The most that one `advance` does. */
  readonly budget: number
  readonly logLimit: number
}

export class History {
  readonly scene: Scene
  readonly #facts = new Facts()
  readonly #prefixes: Readonly<Record<Family, readonly string[]>>
  readonly #budget: number

  constructor({ prefixes, budget, logLimit }: HistoryOptions) {
    this.#budget = budget
    this.#prefixes =
      typeof prefixes === 'object'
        ? prefixes
        : { ipv4: netsOf('10.0.0.0', 24, prefixes), ipv6: netsOf('2001:db8:8::', 64, Math.ceil(prefixes / 3)) }
    this.scene = new Scene(this.#facts, logLimit)
  }

  step([kind, number, a, b, c]: Step): void {
    const facts = this.#facts
    const { rib } = this.scene
    const configured = { ...neighborOf(number + 1) }
    const { name } = configured
    const known = facts.known.get(name)
    const up = known?.kept === undefined ? known : undefined
    const lost = known?.kept === undefined ? undefined : known
    const family = at(FAMILIES, a)
    switch (kind) {
      case 'up':
        if (known === undefined) this.#up(configured, a, b, c)
        return
      case 'down':
        if (up !== undefined) this.#down(up)
        return
      case 'bounce':
        if (up === undefined) return
        this.#down(up)
        this.#up(configured, a, b, c)
        return
      case 'lose':
        if (up !== undefined) this.#lose(up, at(KEEPS, a))
        return
      case 'return':
        // As it was, as often as not: what is judged anew hides what was kept.
        if (lost !== undefined)
          this.#return(lost, at(KEEPS, b), c % 2 === 0 ? lost.peer : shaped(lost.peer, a, b >> 2, c >> 1))
        return
      case 'other':
        if (lost !== undefined) this.#return(lost, at(KEEPS, b), returnedAs(lost.peer, a, c))
        return
      case 'long-lived':
        if (lost !== undefined) this.#beginLongLived(lost, at(KEEPS, a))
        return
      case 'drop':
        if (known !== undefined) this.#dropStale(known, at(KEEPS, a))
        return
      case 'end-of-rib':
        if (up !== undefined) this.#endOfRib(up, family)
        return
      case 'again':
        if (up !== undefined) this.#announceAgain(up, family, 1 + (b % 20))
        return
      case 'begin-refresh':
        // RFC 7313 §4: the engine ignores it before End-of-RIB.
        if (up === undefined || up.cycle[family] === 'stale' || !up.peer.families.includes(family)) return
        rib.beginRefresh(name, family, 0)
        up.cycle[family] = 'refreshing'
        for (const route of up.routes.values()) if (route.family === family) route.mark = 'stale'
        return
      case 'end-refresh':
        if (up === undefined || up.cycle[family] !== 'refreshing') return
        rib.endRefresh(name, family)
        this.#endCycle(up, family)
        return
      case 'change':
        if (up !== undefined) this.#change(up, shaped(up.peer, a, b, c))
        return
      case 'away':
        if (lost !== undefined) this.#changeAway(lost, a, b)
        return
      case 'announce':
        if (up !== undefined) this.#announce(up, a, b, c)
        return
      case 'withdraw':
        if (up !== undefined) this.#withdraw(up, a, b, c)
        return
      case 'mixed':
        if (up !== undefined) this.#mixed(up, a, b, c)
        return
      case 'broken':
        if (up !== undefined) this.#broken(up, a, b, c)
        return
      case 'refresh':
        if (up?.peer.families.includes(family)) rib.refreshOut(name, family, b % 2 === 0)
        return
      case 'advance':
        this.scene.advance(1 + (a % this.#budget))
        return
      case 'best':
        this.scene.takeBest(1 + (a % this.#budget))
        return
      case 'pull': {
        const told = up && rib.pull(name, a % 2 === 0 ? 1 : 65_536)
        if (told !== undefined) this.scene.listeners.get(name)?.take(told.bytes)
        return
      }
      default:
        this.#set(kind, a, b, c)
    }
  }

  #set(kind: string, a: number, b: number, c: number): void {
    const facts = this.#facts
    const { rib } = this.scene
    switch (kind) {
      case 'own':
        this.#own(a, b, c)
        return
      case 'disown':
        for (const text of this.#some(a, b)) {
          facts.own.delete(text)
          rib.withdraw([prefix(text)])
        }
        return
      case 'decision':
        this.#decide(at(DECISIONS, a))
        return
      case 'reach':
        facts.reach.set(at([...HOPS.ipv4, ...HOPS.ipv6], a), at(REACHES, b))
        rib.resolveNextHops(facts.judge, 'all')
        return
      case 'ranges':
        facts.ranges = at(RANGES, a)
        rib.setServiceRanges(facts.ranges.map((range) => within(range)))
        return
      case 'pods':
        facts.pods = at(PODS, a)
        rib.setOwnPods(facts.pods)
        return
      case 'node':
        facts.nodeAddresses = at(NODE_ADDRESSES, a)
        rib.setNodeAddresses(facts.nodeAddresses)
        return
      case 'served':
        this.#serve(at(this.#hosts, a))
        return
      case 'unread':
        facts.isUnread = a % 2 === 0
        rib.awaitKernel(facts.isUnread)
        return
      case 'defer':
        facts.defers = a % 4 === 0
        rib.deferLearned(facts.defers)
        return
      case 'stray':
        this.#stray(at(this.#some(a, 0), 0), at(STRAYING, c))
        return
      default:
        throw new Error(kind)
    }
  }

  #decide(settings: DecisionSettings): void {
    this.#facts.decision = settings
    this.scene.rib.setDecision(settings)
  }

  /** Single addresses among the prefixes. */
  get #hosts(): readonly string[] {
    return FAMILIES.map((family) => this.#prefixes[family].at(-1) as string)
  }

  #own(a: number, b: number, c: number): void {
    const communities = at([[], [[7, 7]], [[0xffff, 0xff01]], [[0xffff, 6]]], b)
    const named = at([[], ['a'], ['b'], ['a', 'b']], c)
    for (const text of this.#some(a, b).slice(0, 8)) {
      this.#facts.own.set(text, [communities, named])
      this.scene.rib.originate([{ ...originatedRoute(text, communities), named }], 0)
    }
  }

  #serve(text: string): void {
    const { served } = this.#facts
    if (served.delete(text)) this.scene.rib.setServiceAddresses([], [prefix(text)])
    else {
      served.add(text)
      this.scene.rib.setServiceAddresses([prefix(text)], [])
    }
  }

  #stray(text: string, straying: Straying | undefined): void {
    if (straying === undefined) this.#facts.straying.delete(text)
    else this.#facts.straying.set(text, straying)
    this.scene.rib.setStraying(prefix(text), straying)
  }

  // ── Sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #up(configured: RibPeer, a: number, b: number, c: number): void {
    const role = configured.peerType === 'external' ? at(ROLES, a >> 3) : undefined
    const peer = shaped({ ...configured, ...(role !== undefined && { role }) }, a, b, c)
    this.#facts.known.set(peer.name, {
      peer,
      kept: undefined,
      routes: new Map(),
      cycle: { ipv4: 'fresh', ipv6: 'fresh' },
      hasLongLived: { ipv4: false, ipv6: false },
    })
    this.scene.join(peer)
  }

  #down({ peer: { name } }: Known): void {
    this.#facts.known.delete(name)
    this.scene.rib.removePeer(name)
    this.scene.listeners.delete(name)
  }

  #lose(known: Known, keep: readonly Family[]): void {
    for (const family of FAMILIES) {
      if (known.cycle[family] === 'stale' && !known.hasLongLived[family]) this.#forget(known, family, 'stale')
      known.cycle[family] = 'stale'
      for (const route of known.routes.values()) {
        if (route.family === family && route.mark === 'present') route.mark = 'stale'
      }
      if (!keep.includes(family)) this.#endCycle(known, family)
    }
    known.kept = new Set(keep)
    this.scene.lose(known.peer.name, keep)
  }

  #return(known: Known, keeps: readonly Family[], peer: RibPeer): void {
    const { remoteRouterId, receive } = known.peer
    // What another router has sent is removed; so is a family that is not agreed on any more.
    const isSame = peer.remoteRouterId === remoteRouterId && peer.receive.addPath.length === receive.addPath.length
    const keep = isSame ? keeps.filter((family) => peer.families.includes(family)) : []
    known.kept = undefined
    known.peer = peer
    for (const family of FAMILIES) if (!keep.includes(family)) this.#endCycle(known, family)
    this.scene.join(peer, peer.remoteRouterId === remoteRouterId ? keep : keeps)
  }

  #beginLongLived(known: Known, families: readonly Family[]): void {
    for (const family of families) {
      if (known.cycle[family] !== 'stale') continue
      known.hasLongLived[family] = true
      for (const [key, route] of known.routes) {
        if (route.family !== family) continue
        route.mark = 'long-lived'
        if (route.isNoLongLived) known.routes.delete(key)
      }
    }
    this.scene.rib.beginLongLived(known.peer.name, families)
  }

  #dropStale(known: Known, families: readonly Family[]): void {
    const { name } = known.peer
    for (const family of families) {
      if (known.cycle[family] === 'refreshing') return
      known.kept?.delete(family)
      this.#endCycle(known, family)
    }
    this.scene.rib.dropStale(name, families)
    if (known.kept?.size === 0) this.#facts.known.delete(name)
  }

  #endOfRib(known: Known, family: Family): void {
    if (!known.peer.families.includes(family)) return
    if (known.cycle[family] === 'stale') this.#endCycle(known, family)
    this.#receive(known, encodeEndOfRib(family))
  }

  #endCycle(known: Known, family: Family): void {
    known.cycle[family] = 'fresh'
    known.hasLongLived[family] = false
    this.#forget(known, family, 'stale')
    this.#forget(known, family, 'long-lived')
  }

  #forget({ routes }: Known, family: Family, mark: Mark): void {
    for (const [key, route] of routes) if (route.family === family && route.mark === mark) routes.delete(key)
  }

  #change(known: Known, peer: RibPeer): void {
    known.peer = peer
    this.scene.rib.setPeer(peer)
    if (this.scene.rib.takePrefixLimitReport(peer.name)?.error !== undefined) this.#down(known)
  }

  #changeAway(known: Known, a: number, b: number): void {
    const side: ImportSide = { importPolicy: at(IMPORTS, a), nodeAs: 65_000 + (b % 2), allowedOwnAs: b % 3 }
    known.peer = { ...known.peer, ...side }
    this.scene.rib.setImportSide(known.peer.name, side)
  }

  // ── UPDATEs ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #receive(known: Known, update: Uint8Array): void {
    const { error } = this.scene.rib.receive(known.peer.name, update, 0, update.length, 0)
    if (error !== undefined) this.#down(known)
  }

  /** A run of prefixes of one family. */
  #some(a: number, b: number): readonly string[] {
    const all = this.#prefixes[at(FAMILIES, a)]
    const first = (a * 31) % all.length
    return all.slice(first, first + 1 + (b % (all.length > 1_000 ? 700 : Math.min(all.length, 40))))
  }

  #announce(known: Known, a: number, b: number, c: number): void {
    const some = this.#heldOf(known, a, b, c)
    if (some === undefined) return
    const { texts, pathId, carried, nextHop } = some
    this.#receive(known, announcement(texts, carried, nextHop, pathId))
  }

  /** Some routes that the neighbor announces, and has from here on; undefined: it does not speak that family. */
  #heldOf({ peer, routes }: Known, a: number, b: number, c: number) {
    const family = at(FAMILIES, a)
    if (!peer.families.includes(family)) return undefined
    const pathId = pathIdOf(peer, c)
    const texts = this.#some(a, b)
    const carried = carriedBy(peer, c >> 2)
    const nextHop = at(HOPS[peer.receive.extendedNextHop && c % 5 === 0 ? 'ipv6' : family], b >> 4)
    const isNoLongLived = carried.communities.some(([high, low]) => high === 0xffff && low === 7)
    for (const text of texts) {
      const update = announcement([text], carried, nextHop, pathId)
      routes.set(`${text} ${pathId}`, { text, family, update, isNoLongLived, mark: 'present' })
    }
    return { family, texts, carried, nextHop, pathId }
  }

  /** One UPDATE withdraws some and announces some, of which a few are the same: these are announced (RFC 4271 §4.3). */
  #mixed(known: Known, a: number, b: number, c: number): void {
    const { families } = known.peer
    const pathId = pathIdOf(known.peer, c)
    const gone = FAMILIES.map((family, index) => {
      const texts = families.includes(family) && (c >> index) % 3 > 0 ? this.#some(index, a + 7 * index) : []
      for (const text of texts) known.routes.delete(`${text} ${pathId}`)
      return { texts, pathId, family }
    })
    const some = this.#heldOf(known, a, b, c)
    const [ipv4, ipv6] = gone as [(typeof gone)[0], (typeof gone)[0]]
    // An UPDATE that says nothing would be an End-of-RIB marker (RFC 4724 §2).
    if (some === undefined && ipv4.texts.length + ipv6.texts.length === 0) return
    const isClassic = some?.family === 'ipv4' && !some.nextHop.includes(':') && c % 2 === 0
    this.#receive(
      known,
      updateOf({
        ...(ipv4.texts.length > 0 && { withdrawn: ipv4 }),
        ...(ipv6.texts.length > 0 && { unreach: ipv6 }),
        ...(some !== undefined && { carried: some.carried, [isClassic ? 'announced' : 'reach']: some }),
      }),
    )
  }

  /** What a faulty UPDATE announces is withdrawn (RFC 7606 §2). */
  #broken(known: Known, a: number, b: number, c: number): void {
    const some = this.#heldOf(known, a, b, c)
    if (some === undefined) return
    for (const text of some.texts) known.routes.delete(`${text} ${some.pathId}`)
    this.#receive(known, updateOf({ reach: some, carried: some.carried, isBroken: true }))
  }

  /** Some routes that are stale come as they were, just behind End-of-RIB: they may still be there. */
  #announceAgain(known: Known, family: Family, most: number): void {
    const isAgain = (route: Held): boolean => route.family === family && route.mark !== 'present'
    const some = [...known.routes].filter(([, route]) => isAgain(route)).slice(0, most)
    this.#endOfRib(known, family)
    for (const [key, route] of some) {
      if (this.#facts.known.get(known.peer.name) !== known) return
      known.routes.set(key, { ...route, mark: 'present' })
      this.#receive(known, route.update)
    }
  }

  #withdraw(known: Known, a: number, b: number, c: number): void {
    if (!known.peer.families.includes(at(FAMILIES, a))) return
    const pathId = pathIdOf(known.peer, c)
    const texts = this.#some(a, b)
    for (const text of texts) known.routes.delete(`${text} ${pathId}`)
    this.#receive(known, withdrawal(texts, pathId))
  }

  /** The families of each neighbor that is up. */
  familiesOf(name: string): readonly Family[] {
    return this.#facts.known.get(name)?.peer.families ?? []
  }

  // ── The end ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing follows. */
  rest(): void {
    // RFC 5004 keeps what was there first: two histories may differ for good. Switched off, they do not.
    if (this.#facts.decision.preferOldest) this.#decide({ ...this.#facts.decision, preferOldest: false })
    this.scene.settle()
  }

  /** One that has seen nothing but the end, at rest. */
  fresh(): Scene {
    const facts = this.#facts
    const scene = new Scene(facts, 1 << 20)
    const { rib } = scene
    rib.setDecision(facts.decision)
    rib.setServiceRanges(facts.ranges.map((range) => within(range)))
    rib.awaitKernel(facts.isUnread)
    rib.deferLearned(facts.defers)
    rib.setOwnPods(facts.pods)
    rib.setNodeAddresses(facts.nodeAddresses)
    rib.setServiceAddresses([...facts.served].map(prefix), [])
    for (const [text, straying] of facts.straying) rib.setStraying(prefix(text), straying)
    for (const [text, [communities, named]] of facts.own)
      rib.originate([{ ...originatedRoute(text, communities), named }], 0)
    for (const known of facts.known.values()) bringUp(scene, known)
    scene.settle()
    return scene
  }

  endAll(): void {
    this.scene.rib.withdraw([...this.#facts.own.keys()].map(prefix))
    for (const known of [...this.#facts.known.values()]) this.#down(known)
    this.scene.settle()
  }
}

const pathIdOf = ({ receive }: RibPeer, c: number): number | undefined =>
  receive.addPath.length > 0 ? 1 + (c % 3) : undefined
