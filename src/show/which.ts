/** Which neighbors a name, a pattern or an address selects. */
import { parseAddress } from '../base/address.ts'
import type { Which } from './command.ts'
import { matchesPattern } from './pattern.ts'
import type { ProtocolView, RangeView, View } from './view.ts'

/** All that a name or pattern stands for; none where nothing fits. */
export function protocolsFor(which: Which | undefined, view: View): readonly ProtocolView[] {
  const all = view.protocols()
  if (which === undefined) return all
  if (which.kind === 'pattern') return all.filter(({ name }) => matchesPattern(which.text, name))
  const one = oneOf(all, which.text)
  return one === undefined ? [] : [one]
}

/** The same for ranges that neighbors may call from. */
export function rangesFor(which: Which | undefined, view: View): readonly RangeView[] {
  return view.ranges().filter(({ name, object }) => {
    if (which === undefined) return true
    if (which.kind === 'pattern') return matchesPattern(which.text, name)
    return name === which.text || (object !== undefined && [object, `BGPPeer/${object}`].includes(which.text))
  })
}

/** One by its protocol name, else the only one with this address, or made from this BGPPeer. */
export function protocolNamed(text: string, view: View): ProtocolView | undefined {
  return oneOf(view.protocols(), text)
}

function oneOf(all: readonly ProtocolView[], text: string): ProtocolView | undefined {
  const address = parseAddress(text)
  return (
    all.find(({ name }) => name === text) ??
    onlyOne(all.filter(({ peer }) => address !== undefined && peer.config.remote.address === address)) ??
    onlyOne(all.filter(({ object }) => object !== undefined && (object === text || `BGPPeer/${object}` === text)))
  )
}

const onlyOne = <Item>(items: readonly Item[]): Item | undefined => (items.length === 1 ? items[0] : undefined)
