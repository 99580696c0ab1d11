/**
 * The engine handles one input per turn. It owns only the order of the steps: it passes the input to the parts that it
 * concerns, does a slice of any long work, and returns what the edge has to do as effects. It has no I/O, no clock and
 * no source of randomness of its own.
 *
 * In: `Input` and the time. Out: `Effect[]`, and the time at which `handle` must be called again.
 */
import { type Address, addressBytes } from '../base/address.ts'
import { Chance } from '../base/chance.ts'
import { FAMILIES } from '../base/family.ts'
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'
import type { Work } from '../base/work.ts'
import type { PrefixMatch } from '../bgp/policy/rule.ts'
import { Rib } from '../bgp/rib/rib.ts'
import type { HashKey } from '../bgp/route/hash.ts'
import { CEASE } from '../bgp/wire/notification.ts'
import { IntentBuilder } from '../cluster/build-intent.ts'
import type { IntentDiff } from '../cluster/diff.ts'
import type { DataplaneIntent, Intent, NodeIntent, PodSelection, Problem } from '../cluster/intent.ts'
import { same } from '../cluster/same.ts'
import type { ObjectChange } from '../cluster/source.ts'
import { ObjectStore } from '../cluster/store.ts'
import { DefaultRoutes } from '../dataplane/default-routes.ts'
import { type LinkChange, LinkTable } from '../dataplane/links.ts'
import type { View } from '../show/view.ts'
import { act } from './act.ts'
import { Bfd } from './bfd.ts'
import { askedBeforeLine, ByHand } from './by-hand.ts'
import { Callers } from './callers.ts'
import { Clients } from './clients.ts'
import { CniKeeper, type CniMode, cniLine, cniProblem } from './cni.ts'
import { Damping } from './damping.ts'
import type { Effect } from './effect.ts'
import { Gateways } from './gateways.ts'
import type {
  BfdInput,
  ConnectionInput,
  DiscoveryInput,
  Input,
  KernelInput,
  ListenInput,
  ObjectsInput,
  ProcessInput,
} from './input.ts'
import { InterfaceAddressBook } from './interface-addresses.ts'
import { Kernel } from './kernel.ts'
import { Leaving } from './leave.ts'
import { Listening } from './listening.ts'
import { logLine, problemGoneLine, problemLine } from './log-line.ts'
import { isStopped, type Neighbor, Neighbors } from './neighbors.ts'
import { type ObjectInput, ObjectWork } from './object-work.ts'
import { Objects } from './objects.ts'
import { Outbox } from './outbox.ts'
import { Protections } from './protections.ts'
import { Requested } from './requested.ts'
import { type DeferringNeighbor, Restart } from './restart.ts'
import { ServiceHealth } from './service-health.ts'
import { Sessions } from './sessions.ts'
import { Sources } from './sources.ts'
import { StatusKeeper, type StatusOptions } from './status.ts'
import { EngineView, type Facts } from './view.ts'

/**
 * The most prefixes that one turn decides, advertises again or removes. KEEPALIVEs are delayed by no more than this.
 */
const SLICE = 4_096

const NO_RANGES: readonly PrefixMatch[] = []
const NO_PODS: DataplaneIntent['ownPods'] = { own: [], lent: [] }

/** Approximate costs in microseconds: to start, change or stop a neighbor, and to announce or withdraw routes. */
const NEIGHBOR_COST = 20
const ROUTES_AT_ONCE = 128
const ROUTES_COST = 400

export interface EngineOptions {
  readonly node: string
  readonly version: string
  readonly hostName: string
  readonly sourceKind: 'kubernetes' | 'manifests'
  /** Which CNI configuration is written; default: none. */
  readonly cni?: CniMode
  /** Whether routes and NAT are written into a kernel; default: no. */
  readonly dataplane?: 'linux' | 'none'
  /** Number of the table for learned routes; default: main. */
  readonly table?: number
  /** Protocol numbers of the previous BGP speaker, whose kernel routes stay until ours are installed. */
  readonly adopt?: readonly number[]
  /** Seed of all jitter. */
  readonly seed: number
  /**
   * Key of the hash tables; default: a fixed one, for reproducible runs. Not the seed: neighbors can observe the
   * jitter.
   */
  readonly hashKey?: HashKey
  /** The most octets that all routing tables may take; default: no limit. */
  readonly memoryLimit?: number
  /** The engine's clock when it is created, and what to add to it for the wall clock. */
  readonly now: Millis
  readonly epoch: number
  /**
   * Objects are in an API group of Calico's: pod CIDRs come from its IPAM, unless a BGPConfiguration sets another
   * source.
   */
  readonly calico?: boolean
  /** The kernel's boot ID; without it, no OPEN has the restart bit (RFC 4724 §3). */
  readonly boot?: string
  /** Whether the Effect `remember` is emitted with the last good objects. */
  readonly keepsLastGood?: boolean
  /** The agent's namespace, with the Secrets that hold passwords. */
  readonly namespace?: string
  /** Settings of the Effect `status`; undefined: it is not emitted. */
  readonly status?: StatusOptions
}

export class Engine {
  readonly #out = new Outbox()
  readonly #neighbors = new Neighbors()
  readonly #rib: Rib
  readonly #sessions: Sessions
  readonly #objects: Objects
  readonly #objectWork = new ObjectWork((inputs) => this.#follow(inputs))
  readonly #store: ObjectStore
  readonly #intents: IntentBuilder
  readonly #clients: Clients
  readonly #leaving: Leaving
  readonly #damping = new Damping()
  /** Undefined where no status is written. */
  readonly #status: StatusKeeper | undefined
  readonly #health = new ServiceHealth(this.#out)
  readonly #cni: CniKeeper
  readonly #links = new LinkTable()
  readonly #interfaces = new InterfaceAddressBook(this.#links)
  readonly #bfd = new Bfd(this.#links, this.#out)
  readonly #defaults = new DefaultRoutes(this.#links)
  readonly #restart: Restart
  readonly #byHand: ByHand
  /** Undefined with `--dataplane none`. */
  readonly #kernel: Kernel | undefined
  readonly #facts: Facts
  readonly #view: EngineView
  /** When the oldest object change arrived whose UPDATEs have not all been sent. */
  #changedAt: Millis | undefined
  readonly #keepsLastGood: boolean
  /** The revision of the last good objects in the last Effect `remember`. */
  #kept = 0
  readonly #protections = new Protections()
  readonly #requested: Requested
  /** The revision of the objects in the last Effect `protect`. */
  #protected = 0
  #secrets: readonly string[] = []
  #pods: PodSelection | undefined
  /** The reason for which objects ask this node to leave. */
  #leaveWanted: string | undefined
  /** The reason for which the process ends as soon as this node has left. */
  #endsWith: string | undefined
  /** The process ends for a restart, with this reason, once what was deferred has been advertised. */
  #restartsWith: string | undefined
  /** Whether the edge was asked to report default routes. */
  #followsDefaults = false
  /** Interfaces with unnumbered neighbors, on which router advertisements are sent. */
  #discovered: readonly string[] = []

  constructor(options: EngineOptions) {
    const {
      now,
      node,
      seed,
      hashKey,
      cni,
      dataplane,
      table,
      adopt,
      boot = '',
      keepsLastGood = false,
      namespace = 'godwit',
      calico,
      status,
      ...rest
    } = options
    this.#keepsLastGood = keepsLastGood
    this.#store = new ObjectStore(node)
    this.#rib = new Rib({ ...(hashKey !== undefined && { hashKey }), memoryLimit: options.memoryLimit })
    this.#cni = new CniKeeper(cni ?? 'none')
    this.#facts = {
      ...rest,
      node,
      now,
      startedAt: now,
      configuredAt: now,
      synced: false,
      sourceProblems: [],
      stopping: false,
      intent: undefined,
      kernelProblems: [],
      damped: this.#damping.refusals,
      linksError: undefined,
      listening: new Listening(),
      callers: new Callers(),
    }
    this.#sessions = new Sessions(this.#neighbors, this.#rib, this.#links, this.#out, this.#bfd)
    this.#requested = new Requested(options.sourceKind)
    const hasOwn = () =>
      !this.#rib.busy &&
      !this.#objectWork.isBusy &&
      this.#kernel?.isReady !== false &&
      !this.#requested.awaitsPods &&
      !this.#health.isAwaited
    this.#restart = new Restart(boot, {
      neighbors: () => this.#deferringNeighbors(),
      hasEnded: (name, family) => this.#rib.hasEnded(name, family),
      isReady: () => hasOwn() && !this.#requested.awaitsSecrets,
      hasOwn,
      leading: (family) => this.#kernel?.leading(family),
      relays: (family) => this.#rib.relays(family),
    })
    this.#byHand = new ByHand(boot)
    const shared = { neighbors: this.#neighbors, sessions: this.#sessions, rib: this.#rib }
    this.#objects = new Objects({
      ...shared,
      chance: new Chance(seed),
      ownRestart: this.#restart.own,
      byHand: this.#byHand,
      gateways: new Gateways(this.#defaults),
      sources: new Sources(this.#links),
    })
    this.#intents = new IntentBuilder({ node, namespace, calico, whyUnhealthy: (check) => this.#health.why(check) })
    const parts = { ...shared, objects: this.#objects, links: this.#links, out: this.#out }
    const arePodsReady = () => this.#cni.isSettled
    const expected = () => this.#objects.expected(this.#restart.callers)
    const areKeysRead = () => !this.#requested.awaitsSecrets
    const asked = { arePodsReady, areKeysRead, expected }
    this.#kernel = dataplane === 'linux' ? new Kernel({ ...parts, table, adopt, ...asked }) : undefined
    this.#view = new EngineView({
      ...parts,
      facts: this.#facts,
      kernel: this.#kernel,
      bfd: this.#bfd,
      act: (neighbor, action) => {
        const result = act(neighbor, action, this.#facts.now, parts)
        this.#objects.noteByHand(neighbor)
        this.#objects.forgetCaller(neighbor, this.#facts.now)
        return result
      },
      node: {
        stop: (reason, how) => {
          if (how === 'restart') this.#stopForRestart(reason, this.#facts.now)
          else this.#stop(reason, how, this.#facts.now)
        },
        leave: (reason) => this.#leaving.begin(reason, this.#facts.now),
        stay: () => this.#stay(this.#facts.now),
        leaving: () => ({ stage: this.#leaving.stage, reason: this.#leaving.reason }),
      },
    })
    this.#clients = new Clients(this.#view, this.#out)
    const seen = { view: this.#view, store: this.#store, out: this.#out, chance: new Chance(seed + 1) }
    this.#status = status && new StatusKeeper(status, seen)
    this.#leaving = new Leaving(parts)
  }

  /** One turn. `now` never runs backwards. */
  handle(input: Input, now: Millis): readonly Effect[] {
    this.#facts.now = now
    // First of all, whatever the input is: the neighbors' hold timers run.
    this.#sendKeepalives(now)
    this.#take(input, now)
    if (this.#facts.stopping) this.#objectWork.drop()
    this.#objectWork.advance()
    if (input.kind === 'polled') this.#clients.resume()
    this.#sessions.askForRejected(now)
    this.#sessions.settleTwins(now)
    this.#announceDamped(now)
    this.#leaving.step(now)
    if (this.#endsWith !== undefined && this.#leaving.stage === 'gone') this.#end(this.#endsWith, now)
    this.#kernel?.resolveNextHops()
    this.#rib.notice(now)
    if (this.#rib.busy) this.#rib.advance(SLICE, now)
    const defers = this.#defers(now)
    this.#rib.withholdEnd(this.#restart.withholdsEnd(now))
    const waiting = this.#sessions.flush(now) || defers
    this.#measure(waiting)
    if (this.#restartsWith !== undefined && !waiting && !this.#rib.busy) this.#stop(this.#restartsWith, 'restart', now)
    this.#bfd.flush()
    this.#flushKernel(!waiting && !this.#rib.busy, now)
    this.#rememberRestart()
    this.#rememberByHand()
    this.#protect()
    if (this.#facts.stopping && this.#neighbors.connections === 0) this.#out.push({ kind: 'done' })
    this.#status?.step(now)
    return this.#out.take()
  }

  /** RFC 4724 §4.1: before routes are selected, no learned one is advertised and no kernel route of the run before changes. */
  #defers(now: Millis): boolean {
    const { isDeferring: before } = this.#restart
    const line = before ? this.#restart.look(now) : undefined
    if (line !== undefined) this.#out.log(line)
    const { isDeferring } = this.#restart
    this.#rib.deferLearned(isDeferring)
    if (this.#kernel !== undefined) this.#kernel.defers = isDeferring
    if (!isDeferring) this.#leaving.count(now)
    return isDeferring
  }

  *#deferringNeighbors(): Iterable<DeferringNeighbor> {
    for (const neighbor of this.#neighbors.values()) {
      const { name, peer, intent } = neighbor
      yield { name, session: peer.session, isStopped: isStopped(neighbor) || intent.range !== undefined }
    }
    for (const caller of this.#objects.expected(this.#restart.callers)) yield { ...caller, isStopped: false }
  }

  #rememberRestart(): void {
    const node = this.#facts.intent?.node
    if (node === undefined || this.#facts.stopping) return
    const { advertisedFamilies, rangeCallers } = this.#sessions
    const document = this.#restart.remember(node.routerId, advertisedFamilies, rangeCallers)
    if (document !== undefined) this.#out.push({ kind: 'remember-restart', document })
  }

  /** A farewell is not kept: an agent that starts here later is a new one. */
  #rememberByHand(): void {
    if (this.#facts.stopping || this.#endsWith !== undefined) return
    const { stage, reason, byObjects } = this.#leaving
    const left = { reason, isGone: stage === 'gone', byObjects }
    this.#byHand.noteLeaving(stage === 'here' ? undefined : left)
    const document = this.#byHand.remember()
    if (document !== undefined) this.#out.push({ kind: 'remember-by-hand', document })
  }

  /** When `handle` must be called next if no input arrives; a time in the past means at once. */
  deadline(): Millis | undefined {
    if (this.#rib.busy || this.#objectWork.isBusy || this.#clients.hasPaused) return this.#facts.now
    const kernel = this.#facts.stopping ? undefined : this.#kernel?.deadline(this.#facts.now)
    const isStopping = this.#facts.stopping
    const damped = isStopping ? undefined : earlier(this.#damping.deadline(), this.#restart.deadline)
    const rooms = earlier(earlier(this.#rib.deadline(), damped), this.#sessions.deadline(this.#facts.now))
    const leaving = isStopping ? undefined : earlier(this.#leaving.deadline(), this.#status?.deadline())
    return earlier(earlier(this.#neighbors.deadline(), rooms), earlier(kernel, leaving))
  }

  /** The effect goes first: passwords and TTL security must be on the sockets before any connection. */
  #protect(): void {
    if (this.#objects.revision === this.#protected) return
    this.#protected = this.#objects.revision
    const neighbors = this.#protections.next(this.#objects.intents())
    if (neighbors !== undefined) this.#out.first({ kind: 'protect', neighbors })
  }

  #sendKeepalives(now: Millis): void {
    for (const neighbor of this.#neighbors.takeKeepalives(now)) {
      this.#sessions.handle(neighbor, { kind: 'keepalive-due' }, now)
    }
  }

  /** All timers but those of our KEEPALIVEs: a neighbor's timer expires only when its sockets have been read. */
  #expireAll({ until, unread }: Extract<Input, { kind: 'polled' }>, now: Millis): void {
    for (const neighbor of this.#neighbors.takeDue(until, unread)) this.#expire(neighbor, until, now)
    this.#endLateRefreshes(until)
  }

  #expire(neighbor: Neighbor, until: Millis, now: Millis): void {
    this.#sessions.handle(neighbor, { kind: 'timer', until }, now)
    this.#objects.forgetCaller(neighbor, now)
  }

  #endLateRefreshes(now: Millis): void {
    for (const { name, family } of this.#rib.endLateRefreshes(now)) {
      const text = `${name}: the end of its ${family} refresh has not arrived; routes that it did not advertise again are removed`
      this.#out.log(logLine('warn', 'refresh-late', text, { peer: name, family }))
    }
  }

  /** Whether stale routes of a lost neighbor are kept (RFC 4724). */
  get keepsStale(): boolean {
    for (const { peer } of this.#neighbors.values()) if (peer.hasStaleRoutes) return true
    return false
  }

  view(now: Millis): View {
    this.#facts.now = now
    return this.#view
  }

  #take(input: Input, now: Millis): void {
    switch (input.kind) {
      case 'objects':
      case 'remembered':
      case 'synced':
      case 'restarted':
        this.#takeObjects(input, now)
        return
      case 'listening':
      case 'listen-ended':
      case 'listen-failed':
      case 'turned-away':
      case 'callers-filtered':
      case 'descriptors':
        this.#takeListener(input)
        return
      case 'accepted':
      case 'connected':
      case 'dial-failed':
      case 'received':
      case 'drained':
      case 'closed':
        this.#takeConnection(input, now)
        return
      case 'client-opened':
      case 'command':
      case 'client-drained':
      case 'client-closed':
        this.#clients.take(input)
        return
      case 'links':
      case 'kernel':
      case 'nft-table':
      case 'applied':
      case 'kernel-error':
      case 'cni':
        this.#takeKernel(input, now)
        return
      case 'link':
      case 'router':
        this.#takeLink(input, now)
        return
      case 'bfd':
      case 'bfd-error':
        this.#takeBfd(input, now)
        return
      case 'polled':
      case 'tick':
      case 'wall-clock':
      case 'health':
      case 'lease':
      case 'stop':
        this.#takeProcess(input, now)
        return
    }
  }

  #takeObjects(input: ObjectsInput, now: Millis): void {
    switch (input.kind) {
      case 'objects':
        this.#requested.take(input.changes)
        this.#change(input.changes, now)
        return
      case 'remembered':
        this.#store.lastGood.remember(input.objects)
        return
      case 'synced':
        this.#objectWork.add({ kind: 'synced', changes: [], at: now })
        return
      case 'restarted':
        this.#restart.take(input.document, input.forwards ?? FAMILIES)
        this.#byHand.take(input.byHand)
        return
    }
  }

  #takeListener(input: ListenInput): void {
    switch (input.kind) {
      case 'listening':
      case 'listen-ended':
      case 'listen-failed':
        this.#out.log(this.#facts.listening.take(input))
        return
      case 'turned-away':
        this.#refuseCaller(input.address, input.reason)
        return
      case 'callers-filtered': {
        const line = this.#facts.callers.noteFiltered(input)
        if (line !== undefined) this.#out.log(line)
        return
      }
      case 'descriptors':
        this.#out.log(this.#facts.listening.takeDescriptors(input))
        return
    }
  }

  #takeConnection(input: ConnectionInput, now: Millis): void {
    switch (input.kind) {
      case 'accepted':
        this.#accept(input, now)
        return
      case 'connected':
        this.#connected(input, now)
        return
      case 'dial-failed':
      case 'closed':
        this.#lost(input, now)
        return
      case 'received': {
        const neighbor = this.#neighbors.connectedBy(input.conn)
        if (neighbor !== undefined) this.#sessions.handle(neighbor, input, now)
        return
      }
      case 'drained':
        this.#sessions.drained(input.conn, now)
        return
    }
  }

  #takeKernel(input: KernelInput, now: Millis): void {
    switch (input.kind) {
      case 'links':
        this.#takeLinks(input.change, now)
        return
      case 'kernel':
        this.#takeRoutes(input, now)
        return
      case 'nft-table':
      case 'applied':
        this.#kernel?.take(input, now)
        return
      case 'kernel-error':
        if (input.what === 'links') this.#facts.linksError = input.text
        else this.#kernel?.take(input, now)
        return
      case 'cni':
        this.#takeCni(input, now)
        return
    }
  }

  #takeBfd(input: BfdInput, now: Millis): void {
    if (input.kind === 'bfd-error') {
      this.#bfd.setError(input.text)
      return
    }
    for (const { neighbor, ...lost } of this.#bfd.take(input.news)) {
      this.#sessions.handle(neighbor, { kind: 'bfd-down', ...lost }, now)
    }
  }

  #takeProcess(input: ProcessInput, now: Millis): void {
    switch (input.kind) {
      case 'polled':
        this.#expireAll(input, now)
        return
      case 'tick':
        return
      case 'wall-clock':
        this.#facts.epoch = input.epoch
        return
      case 'health':
        if (this.#health.take(input)) this.#setHealth(now)
        return
      case 'lease':
        this.#status?.setHolder(input.held, now)
        return
      case 'stop':
        if (input.how === 'farewell') this.#farewell(input.reason, now)
        else if (input.how === 'restart') this.#stopForRestart(input.reason, now)
        else this.#stop(input.reason, input.how, now)
        return
    }
  }

  #accept(input: Extract<Input, { kind: 'accepted' }>, now: Millis): void {
    const { conn, local, remote } = input
    const neighbor = this.#caller(remote.address, now)
    if (typeof neighbor === 'string') {
      this.#out.push({ kind: 'refuse', conn })
      this.#refuseCaller(remote.address, neighbor)
      return
    }
    this.#neighbors.connect(conn, neighbor)
    this.#sessions.handle(neighbor, { kind: 'connected', conn, dialled: false, local, remote }, now)
  }

  #refuseCaller(address: Address, reason: string): void {
    this.#facts.callers.note(address, reason, this.#facts.now)
    this.#out.log(logLine('debug', 'connection-refused', `connection from ${address} refused: ${reason}`, { address }))
  }

  /** The neighbor that connects from this address, or why the connection is refused. */
  #caller(address: Address, now: Millis): Neighbor | string {
    const node = this.#facts.intent?.node
    if (this.#facts.stopping || node === undefined) return 'the agent is not ready'
    return this.#neighbors.calledBy(address) ?? this.#objects.callFrom(address, node, now)
  }

  #connected(input: Extract<Input, { kind: 'connected' }>, now: Millis): void {
    const { conn, local, remote } = input
    const neighbor = this.#neighbors.connectedBy(conn)
    if (neighbor === undefined) return
    this.#sessions.handle(neighbor, { kind: 'connected', conn, dialled: true, local, remote }, now)
  }

  #lost(input: Extract<Input, { kind: 'dial-failed' | 'closed' }>, now: Millis): void {
    const neighbor = this.#neighbors.connectedBy(input.conn)
    if (neighbor !== undefined) this.#sessions.handle(neighbor, input, now)
    this.#neighbors.disconnect(input.conn)
    if (neighbor !== undefined) this.#objects.forgetCaller(neighbor, now)
  }

  #change(changes: readonly ObjectChange[], now: Millis): void {
    this.#objectWork.add({ kind: 'objects', changes, at: now })
  }

  /**
   * Until all objects have been listed once, a missing object may only be unread: nothing is changed, but errors that
   * delay the listing are reported.
   */
  *#follow(inputs: readonly ObjectInput[]): Work {
    for (const input of inputs) {
      yield* this.#store.steps(input.changes)
      if (input.kind === 'synced') this.#setSynced()
    }
    const before = this.#facts.intent?.problems ?? this.#facts.sourceProblems
    if (!this.#facts.synced) {
      this.#facts.sourceProblems = this.#store.sourceProblems()
      this.#logProblems(before, this.#facts.sourceProblems)
      return
    }
    this.#store.settleMemory()
    const { intent, diff } = yield* this.#intents.steps(this.#store)
    this.#facts.intent = intent
    this.#logProblems(before, intent.problems)
    yield* this.#carryOut(intent, diff, inputs[0]?.at)
  }

  #setSynced(): void {
    this.#facts.synced = true
    this.#out.log(logLine('info', 'synced', 'all objects are known'))
  }

  /** `since`: when the change came in. */
  *#carryOut(intent: Intent, diff: IntentDiff, since: Millis | undefined): Work {
    const { now } = this.#facts
    this.#rib.setServiceRanges(intent.dataplane?.serviceRanges ?? NO_RANGES)
    this.#rib.setOwnPods(intent.dataplane?.ownPods ?? NO_PODS)
    yield* this.#setServiceAddresses(diff.serviceAddresses)
    yield* this.#changePeers(diff, intent.node)
    this.#followGateways(this.#facts.now)
    this.#discover()
    this.#followSecrets(intent.secrets)
    this.#followPods(intent.pods)
    this.#followLeave(intent.leave, now)
    if (this.#kernel !== undefined) yield* this.#kernel.setIntent(intent.dataplane, now)
    const cni = this.#cni.next(this.#store.get('Node', this.#facts.node)?.podCidrs)
    this.#damping.set(intent.guards.damping, now)
    yield* this.#changeRoutes(diff.routes, since)
    this.#facts.configuredAt = this.#facts.now
    this.#health.set(intent.guards.health)
    if (this.#interfaces.set(intent.interfaces)) this.#setInterfaces(this.#facts.now)
    if (cni !== undefined) this.#out.push(cni)
    this.#remember()
    this.#status?.objectsChanged(now)
  }

  *#setServiceAddresses({ added, removed }: IntentDiff['serviceAddresses']): Work {
    for (const some of chunksOf(removed, ROUTES_AT_ONCE)) {
      this.#rib.setServiceAddresses([], some)
      yield ROUTES_COST
    }
    for (const some of chunksOf(added, ROUTES_AT_ONCE)) {
      this.#rib.setServiceAddresses(some, [])
      yield ROUTES_COST
    }
  }

  /** New routes are advertised before old ones are withdrawn: a route that replaces another leaves no gap. */
  *#changeRoutes({ announce, withdraw }: IntentDiff['routes'], since: Millis | undefined): Work {
    if (announce.length + withdraw.length > 0) this.#changedAt ??= since ?? this.#facts.now
    for (const some of chunksOf(announce, ROUTES_AT_ONCE)) {
      this.#originator.changeRoutes(this.#damping.announce(some, this.#facts.now), [], this.#facts.now)
      yield ROUTES_COST
    }
    for (const some of chunksOf(withdraw, ROUTES_AT_ONCE)) {
      this.#damping.withdraw(some, this.#facts.now)
      this.#originator.changeRoutes([], some, this.#facts.now)
      yield ROUTES_COST
    }
  }

  get #originator(): Pick<Objects, 'changeRoutes'> {
    return this.#kernel ?? this.#objects
  }

  /** Objects ask this node to leave, or no longer do. A `leave` by command is not cancelled by objects. */
  #followLeave(wanted: string | undefined, now: Millis): void {
    if (wanted === this.#leaveWanted || this.#endsWith !== undefined) return
    if (wanted === undefined && this.#leaving.byObjects) this.#leaving.cancel(now)
    this.#leaveWanted = wanted
    if (wanted !== undefined) this.#leaving.begin(wanted, now, true)
  }

  #setHealth(now: Millis): void {
    this.#intents.serviceHealthChanged()
    this.#change([], now)
  }

  #setInterfaces(now: Millis): void {
    this.#intents.setInterfaceAddresses(this.#interfaces.addresses)
    this.#change([], now)
  }

  /** Advertises addresses that were suppressed for flapping and have been stable since. */
  #announceDamped(now: Millis): void {
    const due = this.#damping.takeDue(now)
    if (due.length > 0) this.#originator.changeRoutes(due, [], now)
  }

  /** The last good objects are saved for the next run, in case they are missing or wrong at the source then. */
  #remember(): void {
    const { lastGood } = this.#store
    if (!this.#keepsLastGood || lastGood.revision === this.#kept) return
    this.#kept = lastGood.revision
    this.#out.push({ kind: 'remember', objects: lastGood.all() })
  }

  /**
   * Without a node there are no neighbors to add or change. Changed neighbors come before the change of the node, whose
   * new values they already have: otherwise each would be reset twice, for the node and for its own change.
   */
  *#changePeers({ node: change, peers }: IntentDiff, node: NodeIntent | undefined): Work {
    for (const name of peers.removed) {
      this.#objects.removePeer(name, this.#facts.now)
      yield NEIGHBOR_COST
    }
    if (node === undefined) return
    const line = this.#restart.begin(node.routerId, this.#kernel?.takesOver === true, this.#facts.now)
    if (line !== undefined) this.#out.log(line)
    this.#leaveAsBefore(this.#facts.now)
    for (const peer of peers.changed) {
      this.#objects.changePeer(peer, node, this.#facts.now)
      yield NEIGHBOR_COST
    }
    if (change !== undefined) yield* this.#changeNode(change.before, node)
    for (const peer of peers.added) {
      this.#objects.addPeer(peer, node, this.#facts.now)
      yield NEIGHBOR_COST
    }
    this.#settleByHand()
  }

  /** The previous run left, or was about to. Objects that no longer ask for it are heard after this. */
  #leaveAsBefore(now: Millis): void {
    const left = this.#byHand.takeLeft()
    if (left === undefined || !this.#leaving.goOn(left, now)) return
    if (left.byObjects) this.#leaveWanted = left.reason
  }

  #settleByHand(): void {
    const names = this.#objects.settleByHand()
    if (names.length > 0) this.#out.log(askedBeforeLine(names))
  }

  #takeLinks(change: LinkChange, now: Millis): void {
    const touched = this.#links.take(change)
    this.#kernel?.takeLinks(touched)
    this.#bfd.takeLinks(touched)
    if (this.#facts.stopping) return
    this.#sessions.followLinks(touched, now)
    if (this.#interfaces.follow(touched.names)) this.#setInterfaces(now)
    const node = this.#facts.intent?.node
    if (node !== undefined) this.#objects.followSources(touched.names, node, now)
    this.#followGateways(now)
  }

  #takeRoutes(input: Extract<Input, { kind: 'kernel' }>, now: Millis): void {
    const isOther = this.#defaults.take(input.change)
    this.#kernel?.take(input, now)
    if (isOther && !this.#facts.stopping) this.#followGateways(now)
  }

  /** Routes are read for their sake alone where nothing else is asked of the kernel. */
  #followGateways(now: Millis): void {
    const { gateways } = this.#objects
    const node = this.#facts.intent?.node
    if (this.#followsDefaults === gateways.isEmpty) {
      this.#followsDefaults = !gateways.isEmpty
      this.#out.push({ kind: 'follow-default-routes', wanted: this.#followsDefaults })
    }
    if (node !== undefined && !gateways.isEmpty) this.#objects.followGateways(node, now)
  }

  #followSecrets(names: readonly string[]): void {
    if (sameList(names, this.#secrets)) return
    this.#secrets = names
    this.#requested.askSecrets(names)
    this.#out.first({ kind: 'secrets', names })
  }

  #followPods(selection: PodSelection | undefined): void {
    if (same(selection, this.#pods)) return
    this.#pods = selection
    this.#requested.askPods(selection !== undefined)
    this.#out.push({ kind: 'pods', selection })
  }

  #discover(): void {
    const { unnumbered } = this.#objects
    unnumbered.forgetUnused()
    const { interfaces } = unnumbered
    if (sameList(interfaces, this.#discovered)) return
    this.#discovered = interfaces
    this.#out.push({ kind: 'discover', interfaces })
  }

  #takeLink(input: DiscoveryInput, now: Millis): void {
    const node = this.#facts.intent?.node
    if (node === undefined || this.#facts.stopping) return
    const line = this.#objects.noteLink(input, now)
    if (line !== undefined) this.#out.log(line)
    this.#objects.followLink(input.interface, node, now)
  }

  *#changeNode(before: NodeIntent | undefined, node: NodeIntent): Work {
    const { listenPort, listenAddresses } = node
    if (before?.listenPort !== listenPort || !sameList(before.listenAddresses, listenAddresses)) {
      this.#facts.listening.startOver()
      this.#out.push({ kind: 'listen', port: listenPort, addresses: listenAddresses })
    }
    this.#rib.setDecision(node.decision)
    this.#rib.setNodeAddresses(FAMILIES.flatMap((family) => node.addresses[family] ?? []).map(addressBytes))
    this.#sessions.setNode(node)
    for (const neighbor of this.#neighbors.all()) {
      if (this.#neighbors.get(neighbor.name) === neighbor) this.#objects.reconfigure(neighbor, node, this.#facts.now)
      yield NEIGHBOR_COST
    }
  }

  #logProblems(before: readonly Problem[], after: readonly Problem[]): void {
    if (before === after) return
    // Most are the very same: of ten thousand, the few others are compared by what they say.
    const [known, kept] = [new Set(before), new Set(after)]
    const fresh = after.filter((problem) => !known.has(problem))
    const gone = before.filter((problem) => !kept.has(problem))
    const [freshKeys, goneKeys] = [new Set(fresh.map(problemKey)), new Set(gone.map(problemKey))]
    for (const problem of fresh) if (!goneKeys.has(problemKey(problem))) this.#out.log(problemLine(problem))
    for (const problem of gone) if (!freshKeys.has(problemKey(problem))) this.#out.log(problemGoneLine(problem))
  }

  /** Nothing is written while stopping: kernel routes stay when the agent ends. */
  #flushKernel(quiet: boolean, now: Millis): void {
    if (this.#kernel === undefined || this.#facts.stopping) return
    this.#kernel.flush(quiet, now)
    const problems = this.#kernel.problems()
    this.#logProblems(this.#facts.kernelProblems, problems)
    this.#facts.kernelProblems = problems
  }

  #measure(waiting: boolean): void {
    if (this.#changedAt === undefined || waiting || this.#rib.busy) return
    this.#out.push({ kind: 'measure', name: 'object-to-update', since: this.#changedAt })
    this.#changedAt = undefined
  }

  #takeCni(input: Extract<Input, { kind: 'cni' }>, now: Millis): void {
    this.#cni.answered(input)
    const line = cniLine(input)
    if (line !== undefined) this.#out.log(line)
    this.#change([cniProblem(input)], now)
  }

  #stay(now: Millis): boolean {
    if (this.#endsWith !== undefined) return false
    this.#byHand.takeLeft()
    this.#leaving.cancel(now)
    return true
  }

  /** Leaves and then ends the process; it cannot be cancelled. Without a connection the process ends at once. */
  #farewell(reason: string, now: Millis): void {
    if (this.#facts.stopping) return
    this.#endsWith = reason
    if (this.#neighbors.connections === 0) this.#end(reason, now)
    else if (!this.#leaving.begin(reason, now)) this.#leaving.count(now)
  }

  #end(reason: string, now: Millis): void {
    this.#endsWith = undefined
    this.#stop(reason, 'leave', now)
  }

  /**
   * RFC 4724 §4.2: a route that is still stale when the session is lost again is deleted. So while routes are deferred, they
   * are selected and advertised first.
   */
  #stopForRestart(reason: string, now: Millis): void {
    if (this.#restart.isDeferring) {
      this.#restartsWith = reason
      this.#restart.hurry(now)
    } else this.#stop(reason, 'restart', now)
  }

  #stop(reason: string, how: 'leave' | 'restart', now: Millis): void {
    this.#facts.stopping = true
    this.#restartsWith = undefined
    const means = how === 'leave' ? 'neighbors drop our routes' : 'neighbors with graceful restart keep our routes'
    this.#out.log(logLine('info', 'stopping', `stopping: ${reason}; ${means}`, { reason, how }))
    if (how === 'leave') this.#out.push({ kind: 'remember-restart', document: undefined })
    else this.#bfd.freeze()
    const stop = { kind: 'stop', subcode: CEASE.adminShutdown, text: reason, reason } as const
    const event = how === 'leave' ? stop : ({ kind: 'vanish', reason } as const)
    for (const neighbor of this.#neighbors.all()) this.#sessions.handle(neighbor, event, now)
  }
}

function* chunksOf<Item>(all: readonly Item[], size: number): Iterable<readonly Item[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
}

const problemKey = ({ code, object, field, value, text }: Problem): string =>
  [code, object, field, value, text].join('\n')

const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((item, index) => item === b[index])
