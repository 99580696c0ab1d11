/**
 * Delays the deletion of the Nodes of other nodes. A Node may be deleted and registered again while its pods run, and its own
 * agent leaves only once that is certain (`own-node.ts`): until it has had time for that, sessions with it and routes to its
 * pods stay. There is no wait where another Node has one of its addresses or pod CIDRs, whichever was first; and a new list of
 * all Nodes ends every wait.
 *
 * In: changes of Nodes. Out: the same changes, deletions later.
 */
import type { Millis } from '../../base/units.ts'
import { Owners } from '../../cluster/owners.ts'
import type { ObjectChange, ObjectRef } from '../../cluster/source.ts'

export class OtherNodes {
  readonly #wait: Millis
  readonly #pass: (change: ObjectChange) => void
  /** By name: the addresses and pod CIDRs of each Node. */
  readonly #claims = new Map<string, readonly string[]>()
  /** By address or pod CIDR: the Nodes that have it. */
  #holders = new Owners()
  /** Deleted, and not passed on yet. */
  readonly #gone = new Map<string, NodeJS.Timeout>()

  constructor(wait: Millis, pass: (change: ObjectChange) => void) {
    this.#wait = wait
    this.#pass = pass
  }

  readonly take = (change: ObjectChange): void => {
    if (change.kind === 'delete') this.#delete(change.ref)
    else {
      if (change.kind === 'upsert') this.#see(change.ref.name, change.object)
      else if (change.kind === 'replace') this.#replace(change)
      this.#pass(change)
    }
  }

  stop(): void {
    for (const timer of this.#gone.values()) clearTimeout(timer)
    this.#gone.clear()
  }

  #see(name: string, object: unknown): void {
    clearTimeout(this.#gone.get(name))
    this.#gone.delete(name)
    this.#claim(name, claimsOf(object))
    for (const other of this.#sharing(name)) if (this.#gone.has(other)) this.#end(other)
  }

  /** The other Nodes that have one of its addresses or pod CIDRs. */
  #sharing(name: string): readonly string[] {
    const holders = (this.#claims.get(name) ?? []).flatMap((claim) => this.#holders.of(claim))
    return holders.filter((other) => other !== name)
  }

  #claim(name: string, claims: readonly string[]): void {
    for (const claim of this.#claims.get(name) ?? []) this.#holders.remove(claim, name)
    if (claims.length === 0) this.#claims.delete(name)
    else this.#claims.set(name, claims)
    for (const claim of claims) this.#holders.add(claim, name)
  }

  #replace({ objects }: Extract<ObjectChange, { readonly kind: 'replace' }>): void {
    this.stop()
    this.#claims.clear()
    this.#holders = new Owners()
    for (const { ref, object } of objects) this.#claim(ref.name, claimsOf(object))
  }

  #delete({ name }: ObjectRef): void {
    if (this.#gone.has(name)) return
    if (this.#sharing(name).some((other) => !this.#gone.has(other))) {
      this.#end(name)
      return
    }
    this.#gone.set(
      name,
      setTimeout(() => this.#end(name), this.#wait),
    )
  }

  #end(name: string): void {
    clearTimeout(this.#gone.get(name))
    this.#gone.delete(name)
    this.#claim(name, [])
    this.#pass({ kind: 'delete', ref: { kind: 'Node', namespace: '', name } })
  }
}

interface NodeShape {
  readonly spec?: { readonly podCIDRs?: unknown; readonly podCIDR?: unknown }
  readonly status?: { readonly addresses?: unknown }
}

/** What sessions and routes lead to: names are nobody's alone, nor is an ExternalIP behind which several nodes are. */
function claimsOf(object: unknown): readonly string[] {
  const { spec, status } = (object ?? {}) as NodeShape
  const cidrs = Array.isArray(spec?.podCIDRs) ? spec.podCIDRs : [spec?.podCIDR]
  const addresses = Array.isArray(status?.addresses) ? status.addresses : []
  const ofType = (wanted: string): unknown[] =>
    addresses.flatMap((one: ListedAddress | null) => (one?.type === wanted ? [one.address] : []))
  const [internal, external] = [ofType('InternalIP').filter(isText), ofType('ExternalIP').filter(isText)]
  // As where the address of a Node is chosen: an ExternalIP only where the family has no InternalIP.
  const used = external.filter((one) => !internal.some((other) => isIpv6(one) === isIpv6(other)))
  return [...internal, ...used, ...cidrs.filter(isText)]
}

interface ListedAddress {
  readonly type?: unknown
  readonly address?: unknown
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const isIpv6 = (address: string): boolean => address.includes(':')
