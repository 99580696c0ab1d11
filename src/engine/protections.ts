/** How neighbors are protected, as the edge must know it before a connection comes in: sent whole, and only when it changes. */
import { hostPrefix } from '../base/prefix.ts'
import type { PeerIntent } from '../cluster/intent.ts'
import { UNHEARD } from '../cluster/intent.ts'
import type { Protection } from './effect.ts'

/** What leaves here with 255 and comes over so many hops has this or more left (RFC 5082 §3). */
const minTtl = (hops: number): number => 256 - hops

export class Protections {
  #told = ''

  /** Undefined where nothing is different. */
  next(intents: Iterable<PeerIntent>): readonly Protection[] | undefined {
    const protections: Protection[] = []
    for (const intent of intents) {
      const protection = protectionOf(intent)
      if (protection !== undefined) protections.push(protection)
    }
    const words = protections.map(wordsOf).join('\n')
    if (words === this.#told) return undefined
    this.#told = words
    return protections
  }
}

function protectionOf({ address, range, key, ttlSecurity }: PeerIntent): Protection | undefined {
  const [bare = '', zone] = range === undefined ? address.split('%', 2) : []
  const prefix = range?.prefix ?? (address === UNHEARD ? undefined : hostPrefix(bare))
  if (prefix === undefined) return undefined
  return { prefix, zone, key, minTtl: ttlSecurity === undefined ? undefined : minTtl(ttlSecurity) }
}

const wordsOf = ({ prefix, zone, key, minTtl }: Protection): string =>
  `${prefix.text}%${zone ?? ''} ${key === undefined ? '' : JSON.stringify(key)} ${minTtl ?? ''}`
