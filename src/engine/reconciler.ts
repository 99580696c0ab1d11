/**
 * Carries an intent out: the difference to the one before becomes changes of neighbors, tables, the kernel and what the
 * edge has to do, in steps that say about how many microseconds they cost.
 */
import { addressBytes } from '../base/address.ts'
import { FAMILIES } from '../base/family.ts'
import type { Millis } from '../base/units.ts'
import type { Work } from '../base/work.ts'
import type { PrefixMatch } from '../bgp/policy/rule.ts'
import type { IntentDiff } from '../cluster/diff.ts'
import type { DataplaneIntent, Intent, NodeIntent, PeerIntent } from '../cluster/intent.ts'
import { podsToAssign } from '../cluster/pods.ts'
import { same } from '../cluster/same.ts'
import { askedBeforeLine } from './by-hand.ts'
import type { AgentEnding } from './ending.ts'
import type { Objects } from './objects.ts'
import type { Parts } from './parts.ts'
import { withFound } from './renamed-neighbors.ts'
import type { Subscriptions } from './subscriptions.ts'

const NO_RANGES: readonly PrefixMatch[] = []
const NO_PODS: DataplaneIntent['ownPods'] = { own: [], lent: [] }

/** Approximate costs in microseconds: to start, change or stop a neighbor, and to announce or withdraw routes. */
const NEIGHBOR_COST = 20
const ROUTES_AT_ONCE = 128
const ROUTES_COST = 400
/** More than any turn takes. */
const END_OF_TURN = Number.POSITIVE_INFINITY

export class Reconciler {
  readonly #parts: Parts
  readonly #ending: AgentEnding
  readonly #subscriptions: Subscriptions
  /** When the oldest object change arrived whose UPDATEs have not all been sent. */
  #changedAt: Millis | undefined
  /** Neighbors and their policies are being changed, and the routes that go with these are not yet. */
  #isHalfDone = false
  /** A turn has ended meanwhile. */
  #hasWaited = false

  constructor(parts: Parts, ending: AgentEnding, subscriptions: Subscriptions) {
    this.#parts = parts
    this.#ending = ending
    this.#subscriptions = subscriptions
  }

  /** `since`: when the change came in. */
  *carryOut(intent: Intent, diff: IntentDiff, since: Millis | undefined): Work {
    // A turn ends wherever this yields: the time is asked for anew.
    const { facts, rib, kernel, cni, damping, health, store, out } = this.#parts
    this.#isHalfDone = changesNeighbors(diff)
    const serviceRanges = intent.dataplane?.serviceRanges ?? NO_RANGES
    rib.setServiceRanges(serviceRanges)
    kernel?.setServiceRanges(serviceRanges)
    rib.setOwnPods(intent.dataplane?.ownPods ?? NO_PODS)
    yield* this.#setServiceAddresses(diff.serviceAddresses)
    yield* this.#changePeers(diff, intent.node)
    this.followFound(facts.now)
    this.#subscriptions.discoverRouters()
    this.#subscriptions.followSecrets(intent.secrets)
    this.#subscriptions.followPods(intent.pods)
    this.#ending.followObjects(intent.leave, facts.now)
    if (kernel !== undefined) yield* kernel.setIntent(intent.dataplane, facts.now)
    const config = cni.next(podsToAssign(store, facts.node))
    damping.set(intent.guards.damping, facts.now)
    yield* this.#changeRoutes(diff.routes, since)
    facts.configuredAt = facts.now
    health.set(intent.guards.health)
    if (config !== undefined) out.push(config)
    yield* this.#complete()
  }

  /** What has waited is decided and sent before the next intent is carried out. */
  *#complete(): Work {
    this.#isHalfDone = false
    if (!this.#hasWaited) return
    this.#hasWaited = false
    yield END_OF_TURN
  }

  /**
   * Asked in each turn: whether an intent is carried out in part. A route would then be judged by the new policy and its old
   * names, or the other way round: nothing is decided and no UPDATE is sent before both are those of one state of the
   * objects.
   */
  mustWait(): boolean {
    // While the agent ends, the rest of an intent is dropped.
    if (this.#parts.facts.stopping) return false
    this.#hasWaited ||= this.#isHalfDone
    return this.#isHalfDone
  }

  /** Addresses that were suppressed for flapping and have been stable since. */
  announceDamped(now: Millis): void {
    const due = this.#parts.damping.takeDue(now)
    if (due.length > 0) this.#originator.changeRoutes(due, [], now)
  }

  /** All UPDATEs have been sent. */
  measure(): void {
    if (this.#changedAt === undefined) return
    this.#parts.out.push({ kind: 'measure', name: 'object-to-update', since: this.#changedAt })
    this.#changedAt = undefined
  }

  /** Neighbors, or the default routes, may have changed: some have an address that no object names. */
  followFound(now: Millis): void {
    const { facts, objects } = this.#parts
    this.#subscriptions.followDefaultRoutes()
    const node = facts.intent?.node
    if (node !== undefined) objects.found.followAll(node, now)
  }

  *#setServiceAddresses({ added, removed }: IntentDiff['serviceAddresses']): Work {
    const { rib } = this.#parts
    for (const some of chunksOf(removed, ROUTES_AT_ONCE)) {
      rib.setServiceAddresses([], some)
      yield ROUTES_COST
    }
    for (const some of chunksOf(added, ROUTES_AT_ONCE)) {
      rib.setServiceAddresses(some, [])
      yield ROUTES_COST
    }
  }

  /** New routes are advertised before old ones are withdrawn: a route that replaces another leaves no gap. */
  *#changeRoutes({ announce, withdraw }: IntentDiff['routes'], since: Millis | undefined): Work {
    const { facts, damping } = this.#parts
    if (announce.length + withdraw.length > 0) this.#changedAt ??= since ?? facts.now
    for (const some of chunksOf(announce, ROUTES_AT_ONCE)) {
      const { now, suppressed } = damping.announce(some, facts.now)
      this.#originator.changeRoutes(now, suppressed, facts.now)
      yield ROUTES_COST
    }
    for (const some of chunksOf(withdraw, ROUTES_AT_ONCE)) {
      damping.withdraw(some, facts.now)
      this.#originator.changeRoutes(
        [],
        some.map(({ prefix }) => prefix),
        facts.now,
      )
      yield ROUTES_COST
    }
  }

  /** Pod CIDRs wait for their blackholes where there is a kernel. */
  get #originator(): Pick<Objects, 'changeRoutes'> {
    return this.#parts.kernel ?? this.#parts.objects
  }

  /**
   * Without a node there are no neighbors to add or change. Changed neighbors come before the change of the node, whose
   * new values they already have: otherwise each would be reset twice, for the node and for its own change.
   */
  *#changePeers({ node: change, peers: named }: IntentDiff, node: NodeIntent | undefined): Work {
    const { facts, objects, neighbors } = this.#parts
    const peers = withFound(named, neighbors, objects.found.gateways)
    for (const name of peers.removed) {
      objects.removePeer(name, facts.now)
      yield NEIGHBOR_COST
    }
    if (node === undefined) return
    this.#beginRestart(node, facts.now)
    for (const { from, peer } of peers.renamed) {
      objects.renamePeer(from, peer, node, facts.now)
      yield NEIGHBOR_COST
    }
    for (const peer of peers.changed) {
      objects.changePeer(peer, node, facts.now)
      yield NEIGHBOR_COST
    }
    if (change !== undefined) yield* this.#changeNode(change.before, node)
    for (const peer of peers.added) {
      objects.addPeer(peer, node, facts.now)
      yield NEIGHBOR_COST
    }
    yield* this.#callBack(node)
    // Most changes of objects concern no neighbor, and there may be thousands of neighbors.
    const changed = peers.removed.length + peers.renamed.length + peers.changed.length + peers.added.length
    if (change !== undefined || changed > 0) this.#setDecision(node)
    const stopped = objects.settleByHand()
    if (stopped.length > 0) this.#parts.out.log(askedBeforeLine(stopped))
  }

  #setDecision({ decision }: NodeIntent): void {
    const { rib, objects, neighbors } = this.#parts
    // Ranges too: nobody may have called yet. Hosts of ranges too: they may keep filters that the range no longer has.
    const sameClusterLength =
      neighbors.all().some(({ intent }) => reflectsThroughUs(intent)) || [...objects.intents()].some(reflectsThroughUs)
    rib.setDecision({ ...decision, sameClusterLength })
  }

  /** The first time that this node is known, and no neighbor has been dialled, this goes on where the previous run ended. */
  #beginRestart({ routerId }: NodeIntent, now: Millis): void {
    const { restart, kernel, out } = this.#parts
    const line = restart.begin(routerId, kernel?.takesOver === true, now)
    if (line !== undefined) out.log(line)
    this.#ending.leaveAsBefore(now)
  }

  /** All ranges are known now; those that are held wait for what they lack. */
  *#callBack(node: NodeIntent): Work {
    const { facts, objects, restart } = this.#parts
    for (const address of restart.unanswered) {
      if (objects.callBack(address, node, facts.now)) restart.noteCalledBack(address)
      yield NEIGHBOR_COST
    }
  }

  *#changeNode(before: NodeIntent | undefined, node: NodeIntent): Work {
    const { facts, rib, sessions, neighbors, objects } = this.#parts
    this.#listen(before, node)
    rib.setNodeAddresses(FAMILIES.flatMap((family) => node.addresses[family] ?? []).map(addressBytes))
    sessions.useNode(node)
    for (const neighbor of neighbors.all()) {
      if (neighbors.get(neighbor.name) === neighbor) objects.reconfigure(neighbor, node, facts.now)
      yield NEIGHBOR_COST
    }
  }

  #listen(before: NodeIntent | undefined, { listenPort, listenAddresses }: NodeIntent): void {
    if (before?.listenPort === listenPort && same(before.listenAddresses, listenAddresses)) return
    this.#parts.facts.listening.startOver()
    this.#parts.out.push({ kind: 'listen', port: listenPort, addresses: listenAddresses })
  }
}

/** Routes alone change one by one: each is judged by policies that stay. */
const changesNeighbors = ({ node, peers: { added, changed, renamed } }: IntentDiff): boolean =>
  node !== undefined || added.length + changed.length + renamed.length > 0

function* chunksOf<Item>(all: readonly Item[], size: number): Iterable<readonly Item[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
}

/** Reflected routes are told to this neighbor with this node as next hop. */
const reflectsThroughUs = ({ reflection, exportPolicy }: PeerIntent): boolean =>
  reflection !== undefined &&
  exportPolicy.rules.some(({ operations }) =>
    operations.some((operation) => operation.kind === 'set-next-hop' && operation.address === 'self'),
  )
