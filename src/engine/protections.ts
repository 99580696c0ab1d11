/**
 * The keys and TTL limits of all neighbors, which the edge needs before a connection: sent as a whole, on changes only.
 *
 * The kernel has one key for each address. Where neighbors with one address have different keys, all of them get the key of
 * one: of a session that runs, so that it is not broken, and otherwise of a neighbor that may start.
 */
import { hostPrefix } from '../base/prefix.ts'
import type { PeerIntent } from '../cluster/intent.ts'
import { UNKNOWN_ADDRESS } from '../cluster/intent.ts'
import { keyTextOf } from '../cluster/key-clashes.ts'
import type { Protection } from './effect.ts'

/** The least TTL with which a packet arrives that was sent with 255 over this many hops; a link is one (RFC 5082 §3). */
const minTtl = (hops: number): number => 256 - hops

/** The intent of a neighbor stays the same value while it does not change: it is converted once. */
const READ = new WeakMap<PeerIntent, Protection | 'none'>()

export type HasSession = (name: string) => boolean

export class Protections {
  #sent: readonly Protection[] = []
  /** Neighbors with one address and different keys, and whether each had a session when they were last compared. */
  #contenders: ReadonlyMap<string, boolean> = new Map()

  /** Undefined where nothing has changed. */
  next(intents: Iterable<PeerIntent>, hasSession: HasSession): readonly Protection[] | undefined {
    const all = [...intents].filter((intent) => read(intent) !== 'none')
    const chosen = this.#choose(all, hasSession)
    const protections = all.map((intent) => {
      const protection = read(intent) as Protection
      const other = chosen.get(addressKey(protection))
      return other === undefined ? protection : { ...protection, signing: other.signing }
    })
    const isSame =
      protections.length === this.#sent.length &&
      protections.every((protection, index) => isSameAs(protection, this.#sent[index]))
    this.#sent = protections
    return isSame ? undefined : protections
  }

  /** Whether a session of neighbors with different keys has begun or ended since. */
  isOutdated(hasSession: HasSession): boolean {
    for (const [name, had] of this.#contenders) if (hasSession(name) !== had) return true
    return false
  }

  /** By address: whose key it has, where its neighbors have different ones. */
  #choose(intents: readonly PeerIntent[], hasSession: HasSession): ReadonlyMap<string, PeerIntent> {
    const chosen = new Map<string, PeerIntent>()
    const contenders = new Map<string, boolean>()
    for (const [host, signed] of contested(intents)) {
      for (const { name } of signed) contenders.set(name, hasSession(name))
      const [first] = signed.sort((a, b) => rankOf(a, hasSession) - rankOf(b, hasSession) || (a.name < b.name ? -1 : 1))
      if (first !== undefined) chosen.set(host, first)
    }
    this.#contenders = contenders
    return chosen
  }
}

/** By address: its neighbors with a key, where these have different ones. */
function contested(intents: readonly PeerIntent[]): ReadonlyMap<string, PeerIntent[]> {
  const byHost = new Map<string, PeerIntent[]>()
  for (const intent of intents) {
    const protection = read(intent)
    if (protection === 'none' || protection.signing === undefined || intent.range !== undefined) continue
    const host = addressKey(protection)
    const known = byHost.get(host)
    if (known === undefined) byHost.set(host, [intent])
    else known.push(intent)
  }
  for (const [host, signed] of byHost) {
    if (signed.length === 1 || new Set(signed.map(({ signing }) => keyTextOf(signing))).size === 1) byHost.delete(host)
  }
  return byHost
}

/** The lowest is chosen. One that is held keeps its session, and loses its claim with it. */
const rankOf = ({ name, held }: PeerIntent, hasSession: HasSession): number =>
  (hasSession(name) ? 0 : 2) + (held === undefined ? 0 : 1)

function read(intent: PeerIntent): Protection | 'none' {
  const known = READ.get(intent)
  if (known !== undefined) return known
  const protection = protectionOf(intent) ?? 'none'
  READ.set(intent, protection)
  return protection
}

const isSameAs = (a: Protection, b: Protection | undefined): boolean =>
  a === b || (b !== undefined && keyOf(a) === keyOf(b))

function protectionOf({ address, range, signing, ttlSecurity }: PeerIntent): Protection | undefined {
  const [bare = '', zone] = range === undefined ? address.split('%', 2) : []
  const prefix = range?.prefix ?? (address === UNKNOWN_ADDRESS ? undefined : hostPrefix(bare))
  if (prefix === undefined) return undefined
  return { prefix, zone, signing, minTtl: ttlSecurity === undefined ? undefined : minTtl(ttlSecurity) }
}

/** The kernel has one key for each of these. */
const addressKey = ({ prefix, zone }: Protection): string => `${prefix.text}%${zone ?? ''}`

const keyOf = (protection: Protection): string =>
  `${addressKey(protection)} ${protection.signing === undefined ? '' : JSON.stringify(protection.signing)} ${protection.minTtl ?? ''}`
