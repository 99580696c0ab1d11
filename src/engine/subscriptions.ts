/**
 * What the edge has to read, listen to and protect for the present neighbors and objects: Secrets, Pods, default routes,
 * router advertisements, and the keys of sockets. Each is asked for as a whole, and again only when it has changed.
 */
import type { PodSelection } from '../cluster/intent.ts'
import { same } from '../cluster/same.ts'
import type { Parts } from './parts.ts'
import { Protections } from './protections.ts'

export class Subscriptions {
  readonly #parts: Pick<Parts, 'objects' | 'neighbors' | 'requested' | 'out'>
  readonly #protections = new Protections()
  /** The revision of the neighbors that are protected. */
  #protected = 0
  #secrets: readonly string[] = []
  #pods: PodSelection | undefined
  #hasDefaultRoutes = false
  /** Interfaces with unnumbered neighbors, on which router advertisements are sent. */
  #interfaces: readonly string[] = []

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Secrets with keys of neighbors, by name: asked for before anything else of a turn. */
  followSecrets(names: readonly string[]): void {
    if (same(names, this.#secrets)) return
    this.#secrets = names
    this.#parts.requested.askSecrets(names)
    this.#parts.out.first({ kind: 'secrets', names })
  }

  followPods(selection: PodSelection | undefined): void {
    if (same(selection, this.#pods)) return
    this.#pods = selection
    this.#parts.requested.askPods(selection !== undefined)
    this.#parts.out.push({ kind: 'pods', selection })
  }

  /** Default routes are read for neighbors that are the default gateway, where nothing else is asked of the kernel. */
  followDefaultRoutes(): void {
    const wanted = !this.#parts.objects.found.gateways.isEmpty
    if (wanted === this.#hasDefaultRoutes) return
    this.#hasDefaultRoutes = wanted
    this.#parts.out.push({ kind: 'follow-default-routes', wanted })
  }

  discoverRouters(): void {
    const { unnumbered } = this.#parts.objects.found
    unnumbered.forgetUnused()
    const { interfaces } = unnumbered
    if (same(interfaces, this.#interfaces)) return
    this.#interfaces = interfaces
    this.#parts.out.push({ kind: 'discover', interfaces })
  }

  /** The effect goes first: passwords and TTL security must be on the sockets before any connection. */
  protect(): void {
    const { objects, neighbors, out } = this.#parts
    const hasSession = (name: string) => neighbors.get(name)?.peer.session !== undefined
    if (objects.revision === this.#protected && !this.#protections.isOutdated(hasSession)) return
    this.#protected = objects.revision
    const next = this.#protections.next(objects.intents(), hasSession)
    if (next !== undefined) out.first({ kind: 'protect', neighbors: next })
  }
}
