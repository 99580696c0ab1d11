/** The arguments of `show explain`: an address, a prefix, or a service. */
import { hostPrefix, type Prefix, parsePrefix } from '../base/prefix.ts'

export type Subject =
  | { readonly kind: 'prefix'; readonly prefix: Prefix }
  /** `shop/web`. */
  | { readonly kind: 'service'; readonly name: string }

/** An address, a prefix, or the name of a service: `shop/web`, `Service/shop/web`. */
export function parseSubject(text: string): Subject | undefined {
  const prefix = text.includes('/') ? parsePrefix(text) : hostPrefix(text)
  if (prefix !== undefined) return { kind: 'prefix', prefix }
  const name = /^(?:Service\/)?([a-z0-9-]+\/[a-z0-9.-]+)$/.exec(text)?.[1]
  return name === undefined ? undefined : { kind: 'service', name }
}
