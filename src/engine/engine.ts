/**
 * The engine handles one input per turn. It owns only the order of the steps: it passes the input to the parts that it
 * concerns, does a slice of any long work, and returns what the edge has to do as effects. It has no I/O, no clock and
 * no source of randomness of its own.
 *
 * In: `Input` and the time. Out: `Effect[]`, and the time at which `handle` must be called again.
 */
import { Chance } from '../base/chance.ts'
import { FAMILIES } from '../base/family.ts'
import { earlier } from '../base/timers.ts'
import type { Millis } from '../base/units.ts'
import type { LinkChange } from '../dataplane/links.ts'
import type { Action, ActionResult, View } from '../show/view.ts'
import { act } from './act.ts'
import { Clients } from './clients.ts'
import { cniLine, cniProblem } from './cni.ts'
import { CommandRuns } from './command-runs.ts'
import { ConnectionInputs } from './connections.ts'
import type { Effect } from './effect.ts'
import { AgentEnding } from './ending.ts'
import type { BfdStateInput, DiscoveryInput, Input, KernelInput, ObjectsInput, ProcessInput } from './input.ts'
import { logLine, problemLines } from './log-line.ts'
import type { Neighbor } from './neighbors.ts'
import { NextRun } from './next-run.ts'
import { ObjectFollower } from './object-follower.ts'
import { Parts, type PartsOptions } from './parts.ts'
import { Reconciler } from './reconciler.ts'
import { StatusKeeper, type StatusOptions } from './status.ts'
import { Subscriptions } from './subscriptions.ts'
import { EngineView } from './view.ts'

/**
 * The most prefixes that one turn decides, advertises again or removes. KEEPALIVEs are delayed by no more than this.
 */
const SLICE = 4_096

export interface EngineOptions extends PartsOptions {
  /** Whether the Effect `remember` is emitted with the last good objects. */
  readonly keepsLastGood?: boolean
  /** Settings of the Effect `status`; undefined: it is not emitted. */
  readonly status?: StatusOptions
}

export class Engine {
  readonly #parts: Parts
  readonly #connections: ConnectionInputs
  readonly #subscriptions: Subscriptions
  readonly #ending: AgentEnding
  readonly #nextRun: NextRun
  readonly #reconciler: Reconciler
  readonly #follower: ObjectFollower
  readonly #view: EngineView
  readonly #commands: CommandRuns
  readonly #clients: Clients
  /** Undefined where no status is written. */
  readonly #status: StatusKeeper | undefined

  constructor(options: EngineOptions) {
    const parts = new Parts(options)
    this.#parts = parts
    this.#connections = new ConnectionInputs(parts)
    this.#subscriptions = new Subscriptions(parts)
    this.#ending = new AgentEnding(parts)
    this.#nextRun = new NextRun(parts, this.#ending, options.keepsLastGood === true)
    this.#reconciler = new Reconciler(parts, this.#ending, this.#subscriptions)
    this.#commands = new CommandRuns(parts.neighbors, (neighbor, action) => this.#act(neighbor, action))
    this.#view = new EngineView(parts, {
      act: (action) => this.#commands.begin(action),
      node: this.#ending.actions(),
    })
    this.#clients = new Clients(this.#view, parts.out)
    const chance = new Chance(options.seed + 1)
    this.#status =
      options.status &&
      new StatusKeeper(options.status, { view: this.#view, store: parts.store, out: parts.out, chance })
    this.#follower = new ObjectFollower(parts, this.#reconciler, this.#nextRun, this.#status)
  }

  /** One turn. `now` never runs backwards. */
  handle(input: Input, now: Millis): readonly Effect[] {
    const { facts, sessions, kernel, rib, restart, bfd, neighbors, objectWork, out } = this.#parts
    facts.now = now
    // First of all, whatever the input is: the neighbors' hold timers run.
    this.#sendKeepalives(now)
    this.#take(input, now)
    this.#follower.advance()
    if (input.kind === 'polled') {
      this.#commands.advance()
      this.#parts.leaving.advance(now)
      this.#clients.resume()
    }
    sessions.askForRejected(now)
    sessions.settleTwins(now)
    this.#reconciler.announceDamped(now)
    this.#ending.step(now)
    kernel?.resolveNextHops()
    rib.notice(now)
    const isHalfDone = this.#reconciler.mustWait()
    if (rib.busy && !isHalfDone) rib.advance(SLICE, now)
    const defers = this.#defers(now)
    rib.withholdEnd(restart.withholdsEnd(now))
    const isWaiting = isHalfDone || sessions.flush(now) || defers
    const isQuiet = !isWaiting && !rib.busy
    // Objects whose work is not done have more to advertise.
    if (isQuiet && !objectWork.isBusy) {
      this.#reconciler.measure()
      this.#ending.endWhenQuiet(now)
    }
    bfd.flush()
    this.#flushKernel(isQuiet, now)
    this.#nextRun.remember(this.#commands.isBusy)
    this.#subscriptions.protect()
    if (facts.stopping && neighbors.connections === 0) out.push({ kind: 'done' })
    this.#status?.step(now)
    return out.take()
  }

  /** When `handle` must be called next if no input arrives; a time in the past means at once. */
  deadline(): Millis | undefined {
    const { facts, rib, objectWork, leaving, sessions, neighbors } = this.#parts
    if (rib.busy || objectWork.isBusy || leaving.isBusy) return facts.now
    if (this.#commands.isBusy || this.#clients.hasPaused) return facts.now
    const always = earlier(earlier(neighbors.deadline(), rib.deadline()), sessions.deadline())
    return facts.stopping ? always : earlier(always, this.#runningDeadline())
  }

  /** Of what no longer happens once the agent stops. */
  #runningDeadline(): Millis | undefined {
    const { facts, damping, restart, kernel } = this.#parts
    const own = earlier(earlier(damping.deadline(), restart.deadline), this.#ending.deadline())
    return earlier(earlier(own, this.#status?.deadline()), kernel?.deadline(facts.now))
  }

  /** Whether stale routes of a lost neighbor are kept (RFC 4724). */
  get keepsStale(): boolean {
    for (const { peer } of this.#parts.neighbors.values()) if (peer.hasStaleRoutes) return true
    return false
  }

  view(now: Millis): View {
    this.#parts.facts.now = now
    return this.#view
  }

  /** RFC 4724 §4.1: before routes are selected, no learned one is advertised and no kernel route of the run before changes. */
  #defers(now: Millis): boolean {
    const { restart, rib, kernel, leaving, out } = this.#parts
    const line = restart.isDeferring ? restart.look(now) : undefined
    if (line !== undefined) out.log(line)
    const { isDeferring } = restart
    rib.deferLearned(isDeferring)
    if (kernel !== undefined) kernel.defers = isDeferring
    rib.awaitKernel(kernel?.isKnown === false)
    if (!isDeferring) leaving.count(now)
    return isDeferring
  }

  #sendKeepalives(now: Millis): void {
    const { neighbors, sessions } = this.#parts
    for (const neighbor of neighbors.takeKeepalives(now)) sessions.handle(neighbor, { kind: 'keepalive-due' }, now)
  }

  /** All timers but those of our KEEPALIVEs: a neighbor's timer expires only when its sockets have been read. */
  #expireAll({ until, unread }: Extract<Input, { kind: 'polled' }>, now: Millis): void {
    const { neighbors, sessions, objects } = this.#parts
    for (const neighbor of neighbors.takeDue(until, unread)) {
      sessions.handle(neighbor, { kind: 'timer', until }, now)
      objects.forgetCaller(neighbor, now)
    }
    this.#endLateRefreshes(until)
  }

  #endLateRefreshes(now: Millis): void {
    const { rib, out } = this.#parts
    for (const { name, family } of rib.endLateRefreshes(now)) {
      const text = `${name}: the end of its ${family} refresh has not arrived; routes that it did not advertise again are removed`
      out.log(logLine('warn', 'refresh-late', text, { peer: name, family }))
    }
  }

  /** A command about a neighbor. */
  #act(neighbor: Neighbor, action: Action): ActionResult {
    const { facts, objects } = this.#parts
    const result = act(neighbor, action, facts.now, this.#parts)
    objects.noteByHand(neighbor)
    objects.forgetCaller(neighbor, facts.now)
    return result
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
        this.#connections.takeListener(input)
        return
      case 'accepted':
      case 'connected':
      case 'dial-failed':
      case 'received':
      case 'drained':
      case 'closed':
        this.#connections.take(input, now)
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
    const { requested, store, restart, byHand } = this.#parts
    switch (input.kind) {
      case 'objects':
        // What is deleted together with the agent, such as our CRDs, ends no session before neighbors have moved.
        if (this.#ending.isFarewell) return
        requested.take(input.changes)
        this.#follower.change(input.changes, now)
        return
      case 'remembered':
        store.lastGood.restore(input.objects)
        return
      case 'synced':
        this.#follower.synced(now)
        return
      case 'restarted':
        restart.take(input.document, input.forwards ?? FAMILIES)
        byHand.take(input.byHand)
        return
    }
  }

  #takeKernel(input: KernelInput, now: Millis): void {
    const { facts, kernel } = this.#parts
    switch (input.kind) {
      case 'links':
        this.#takeLinks(input.change, now)
        return
      case 'kernel':
        this.#takeRoutes(input, now)
        return
      case 'nft-table':
      case 'applied':
        kernel?.take(input, now)
        return
      case 'kernel-error':
        if (input.what === 'links') facts.linksError = input.text
        else kernel?.take(input, now)
        return
      case 'cni':
        this.#takeCni(input, now)
        return
    }
  }

  #takeLinks(change: LinkChange, now: Millis): void {
    const { facts, links, kernel, bfd, sessions, interfaces, objects } = this.#parts
    const touched = links.take(change)
    kernel?.takeLinks(touched)
    bfd.takeLinks(touched)
    objects.found.unnumbered.followLinks(touched, links)
    if (facts.stopping) return
    sessions.followLinks(touched, now)
    if (interfaces.follow(touched)) this.#follower.interfacesChanged(now)
    const node = facts.intent?.node
    if (node !== undefined) objects.followSources(touched, node, now)
    this.#reconciler.followFound(now)
  }

  #takeRoutes(input: Extract<Input, { kind: 'kernel' }>, now: Millis): void {
    const { facts, defaults, kernel, sessions } = this.#parts
    const isOther = defaults.take(input.change)
    const wasKnown = kernel?.isKnown
    kernel?.take(input, now)
    if (facts.stopping) return
    if (kernel?.isKnown) sessions.followRoutes(wasKnown ? input.change : undefined, now)
    if (isOther) this.#reconciler.followFound(now)
  }

  #takeCni(input: Extract<Input, { kind: 'cni' }>, now: Millis): void {
    const { cni, out } = this.#parts
    cni.answered(input)
    const line = cniLine(input)
    if (line !== undefined) out.log(line)
    this.#follower.change([cniProblem(input)], now)
  }

  /** Nothing is written while stopping: kernel routes stay when the agent ends. */
  #flushKernel(isQuiet: boolean, now: Millis): void {
    const { facts, kernel, out } = this.#parts
    if (kernel === undefined || facts.stopping) return
    kernel.flush(isQuiet, now)
    const before = facts.kernelProblems
    facts.kernelProblems = kernel.problems()
    for (const line of problemLines(before, facts.kernelProblems)) out.log(line)
  }

  /** The link of an unnumbered neighbor. */
  #takeLink(input: DiscoveryInput, now: Millis): void {
    const { facts, objects, out } = this.#parts
    const node = facts.intent?.node
    if (node === undefined || facts.stopping) return
    const line = objects.found.noteLink(input, now)
    if (line !== undefined) out.log(line)
    objects.found.followLink(input.interface, node, now)
  }

  #takeBfd(input: BfdStateInput, now: Millis): void {
    const { bfd, sessions } = this.#parts
    if (input.kind === 'bfd-error') {
      bfd.setError(input.text)
      return
    }
    for (const { neighbor, ...lost } of bfd.take(input.news)) {
      sessions.handle(neighbor, { kind: 'bfd-down', ...lost }, now)
    }
  }

  #takeProcess(input: ProcessInput, now: Millis): void {
    const { facts, health } = this.#parts
    switch (input.kind) {
      case 'polled':
        this.#expireAll(input, now)
        return
      case 'tick':
        return
      case 'wall-clock':
        facts.epoch = input.epoch
        return
      case 'health':
        if (health.take(input)) this.#follower.healthChanged(now)
        return
      case 'lease':
        this.#status?.setHolder(input.held, now)
        return
      case 'stop':
        this.#ending.take(input, now)
        return
    }
  }
}
