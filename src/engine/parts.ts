/**
 * The parts of an engine: each is made once, with those that it works with. Which of them an input concerns, and in
 * what order, is the engine's matter.
 */
import { Chance } from '../base/chance.ts'
import type { Millis } from '../base/units.ts'
import { Rib } from '../bgp/rib/rib.ts'
import type { HashKey } from '../bgp/route/hash.ts'
import { IntentBuilder } from '../cluster/build-intent.ts'
import { ObjectStore } from '../cluster/store.ts'
import { DefaultRoutes } from '../dataplane/default-routes.ts'
import { LinkTable } from '../dataplane/links.ts'
import { BfdStates } from './bfd.ts'
import { ByHand } from './by-hand.ts'
import { CniKeeper, type CniMode } from './cni.ts'
import { Damping } from './damping.ts'
import { Gateways } from './gateways.ts'
import { InterfaceAddressBook } from './interface-addresses.ts'
import { Kernel } from './kernel.ts'
import { Leaving } from './leave.ts'
import { Listening } from './listening.ts'
import { isStopped, Neighbors } from './neighbors.ts'
import { ObjectWork } from './object-work.ts'
import { Objects } from './objects.ts'
import { Outbox } from './outbox.ts'
import { RefusedCallers } from './refused-callers.ts'
import { Requested } from './requested.ts'
import { type DeferringNeighbor, Restart } from './restart.ts'
import { ServiceHealth } from './service-health.ts'
import { Sessions } from './sessions.ts'
import { SourceAddresses } from './source-addresses.ts'
import type { EngineFacts } from './view.ts'

export interface PartsOptions {
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
  /** The agent's namespace, with the Secrets that hold passwords. */
  readonly namespace?: string
}

export class Parts {
  readonly out = new Outbox()
  readonly neighbors = new Neighbors()
  readonly links = new LinkTable()
  readonly defaults = new DefaultRoutes(this.links)
  readonly interfaces = new InterfaceAddressBook(this.links)
  readonly bfd = new BfdStates(this.links, this.out)
  readonly damping = new Damping()
  readonly health = new ServiceHealth(this.out)
  readonly objectWork = new ObjectWork()
  readonly store: ObjectStore
  readonly intents: IntentBuilder
  readonly requested: Requested
  readonly facts: EngineFacts
  readonly rib: Rib
  readonly sessions: Sessions
  readonly restart: Restart
  readonly byHand: ByHand
  readonly objects: Objects
  readonly cni: CniKeeper
  /** Undefined with `--dataplane none`. */
  readonly kernel: Kernel | undefined
  readonly leaving: Leaving

  constructor(options: PartsOptions) {
    const { node, boot = '', namespace = 'godwit', calico, hashKey, memoryLimit, sourceKind } = options
    this.store = new ObjectStore(node)
    this.intents = new IntentBuilder({ node, namespace, calico, whyUnhealthy: (check) => this.health.why(check) })
    this.requested = new Requested(sourceKind)
    this.facts = this.#firstFacts(options)
    this.rib = new Rib({ ...(hashKey !== undefined && { hashKey }), memoryLimit })
    this.sessions = new Sessions({
      neighbors: this.neighbors,
      rib: this.rib,
      links: this.links,
      out: this.out,
      bfd: this.bfd,
      isBeside: (link, address) => this.kernel?.isBeside(link, address) === true,
    })
    this.restart = this.#makeRestart(boot)
    this.byHand = new ByHand(boot)
    this.objects = new Objects({
      neighbors: this.neighbors,
      sessions: this.sessions,
      rib: this.rib,
      chance: new Chance(options.seed),
      ownRestart: this.restart.own,
      byHand: this.byHand,
      gateways: new Gateways(this.defaults),
      sources: new SourceAddresses(this.links),
    })
    this.cni = new CniKeeper(options.cni ?? 'none')
    this.kernel = options.dataplane === 'linux' ? this.#makeKernel(options) : undefined
    this.leaving = new Leaving(this)
  }

  #firstFacts({ node, version, hostName, sourceKind, now, epoch }: PartsOptions): EngineFacts {
    return {
      node,
      version,
      hostName,
      sourceKind,
      epoch,
      now,
      startedAt: now,
      configuredAt: now,
      synced: false,
      sourceProblems: [],
      stopping: false,
      intent: undefined,
      kernelProblems: [],
      damped: this.damping.refusals,
      linksError: undefined,
      listening: new Listening(),
      refusedCallers: new RefusedCallers(),
    }
  }

  #makeRestart(boot: string): Restart {
    const areReady = (): boolean => this.#areOriginatedReady
    return new Restart(boot, {
      neighbors: () => this.#deferringNeighbors(),
      hasEnded: (name, family) => this.rib.hasEnded(name, family),
      received: (name, family) => {
        const { importUpdates, importWithdraws } = this.rib.counts(name, family)
        return importUpdates.received + importWithdraws.received
      },
      isReady: () => areReady() && !this.requested.awaitsSecrets,
      areOriginatedReady: areReady,
      leading: (family) => this.kernel?.leading(family),
      relays: (family) => this.rib.relays(family),
    })
  }

  /** All that this node originates is known and decided. */
  get #areOriginatedReady(): boolean {
    return (
      !this.rib.busy &&
      !this.objectWork.isBusy &&
      this.kernel?.isReady !== false &&
      !this.requested.awaitsPods &&
      !this.health.isAwaited
    )
  }

  *#deferringNeighbors(): Iterable<DeferringNeighbor> {
    for (const neighbor of this.neighbors.values()) {
      const { name, peer, intent } = neighbor
      yield { name, session: peer.session, isStopped: isStopped(neighbor) || intent.range !== undefined }
    }
    for (const caller of this.objects.expected(this.restart.callers)) yield { ...caller, isStopped: false }
  }

  #makeKernel({ table, adopt }: PartsOptions): Kernel {
    const { rib, neighbors, objects, out, links } = this
    return new Kernel({
      ...{ rib, neighbors, objects, out, links, table, adopt },
      arePodsReady: () => this.cni.isSettled,
      areKeysRead: () => !this.requested.awaitsSecrets,
      expected: () => this.objects.expected(this.restart.callers),
    })
  }
}
