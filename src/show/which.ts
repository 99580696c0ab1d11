/** Which neighbors a name, a pattern or an address selects. */
import { parseAddress } from '../base/address.ts'
import type { Which } from './command.ts'
import { matchesPattern } from './pattern.ts'
import { CODE, type Row } from './reply.ts'
import type { NeighborView, ProtocolView, RangeView, View } from './view.ts'

/** Yields the neighbors that a name or pattern matches; none if nothing matches. */
export function protocolsFor(which: Which | undefined, view: View): Iterable<ProtocolView> {
  if (which === undefined) return view.eachProtocol()
  if (which.kind === 'pattern') return view.eachProtocol(({ name }) => matchesPattern(which.text, name))
  const one = protocolNamed(which.text, view)
  return one === undefined ? [] : [one]
}

/** The same for `peerRange`s. */
export function rangesFor(which: Which | undefined, view: View): readonly RangeView[] {
  return view.ranges().filter(({ name, object }) => {
    if (which === undefined) return true
    if (which.kind === 'pattern') return matchesPattern(which.text, name)
    return name === which.text || (object !== undefined && [object, `BGPPeer/${object}`].includes(which.text))
  })
}

/** One by its protocol name, else the only one with this address, or made from this BGPPeer. */
export function protocolNamed(text: string, view: View): ProtocolView | undefined {
  const address = parseAddress(text)
  const only = (isMeant: (neighbor: NeighborView) => boolean) => onlyOne(view.eachProtocol(isMeant))
  return (
    only(({ name }) => name === text) ??
    only((neighbor) => address !== undefined && neighbor.address === address) ??
    only(({ object }) => object !== undefined && (object === text || `BGPPeer/${object}` === text))
  )
}

function onlyOne<Item>(items: Iterable<Item>): Item | undefined {
  const [first, second] = items
  return second === undefined ? first : undefined
}

/** The answer where nothing has the name that was asked for; `wanted` is said where BIRD says it. */
export const noProtocols = (wanted?: string): Row => ({
  code: CODE.noProtocols,
  text: wanted === undefined ? 'No protocols match' : `No protocols match ${wanted}`,
})
