/** Parses `bfd` of a BGPPeer and `nodeMeshBFD` of a BGPConfiguration, with the field names of MetalLB's BFDProfile. */
import { inMicros, type Micros } from '../../base/units.ts'
import type { BfdSettings } from '../intent.ts'
import type { Fields } from './fields.ts'

/** Bounds of an interval in milliseconds, as objects have it. */
const LEAST_INTERVAL = 10
const MOST_INTERVAL = 10_000
const MOST_MULTIPLIER = 255
/** A minimum TTL asks for multihop BFD; 255 would admit only neighbors on the link. */
export const MOST_TTL = 254
/** Milliseconds. As in FRR and MetalLB: a lost neighbor is detected after three intervals, 900 ms. */
const INTERVAL = 300
const MULTIPLIER = 3

/** `{}` means the defaults; absent means no BFD. */
export function readBfd(spec: Fields, name: string): BfdSettings | undefined {
  const fields = spec.record(name)
  if (fields === undefined) return undefined
  /** Objects have milliseconds, BFD packets microseconds. */
  const interval = (field: string): Micros => inMicros(fields.whole(field, LEAST_INTERVAL, MOST_INTERVAL) ?? INTERVAL)
  const settings: BfdSettings = {
    receive: interval('receiveInterval'),
    transmit: interval('transmitInterval'),
    multiplier: fields.whole('detectMultiplier', 1, MOST_MULTIPLIER) ?? MULTIPLIER,
    minimumTtl: fields.whole('minimumTTL', 1, MOST_TTL),
    passive: fields.flag('passive') ?? false,
  }
  fields.reportUnknown()
  return settings
}
