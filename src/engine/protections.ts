/**
 * The keys and TTL limits of all neighbors, which the edge needs before a connection: sent as a whole, on changes only.
 */
import { hostPrefix } from '../base/prefix.ts'
import type { PeerIntent } from '../cluster/intent.ts'
import { UNHEARD } from '../cluster/intent.ts'
import type { Protection } from './effect.ts'

/** A packet that is sent with 255 and crosses so many hops arrives with this TTL or more (RFC 5082 §3). */
const minTtl = (hops: number): number => 256 - hops

/** The intent of a neighbor stays the same value while it does not change: it is converted once. */
const READ = new WeakMap<PeerIntent, Protection | 'none'>()

export class Protections {
  #sent: readonly Protection[] = []

  /** Undefined where nothing has changed. */
  next(intents: Iterable<PeerIntent>): readonly Protection[] | undefined {
    const protections: Protection[] = []
    let isSame = true
    for (const intent of intents) {
      const protection = read(intent)
      if (protection === 'none') continue
      isSame &&= isSameAs(protection, this.#sent[protections.length])
      protections.push(protection)
    }
    isSame &&= protections.length === this.#sent.length
    this.#sent = protections
    return isSame ? undefined : protections
  }
}

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
  const prefix = range?.prefix ?? (address === UNHEARD ? undefined : hostPrefix(bare))
  if (prefix === undefined) return undefined
  return { prefix, zone, signing, minTtl: ttlSecurity === undefined ? undefined : minTtl(ttlSecurity) }
}

const keyOf = ({ prefix, zone, signing, minTtl }: Protection): string =>
  `${prefix.text}%${zone ?? ''} ${signing === undefined ? '' : JSON.stringify(signing)} ${minTtl ?? ''}`
