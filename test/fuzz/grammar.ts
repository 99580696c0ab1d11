/**
 * Messages as a neighbor might send them: mostly well formed, with odd values, wrong flags, lengths that lie; then cut,
 * flipped and spliced. Everything comes from one `Chance`.
 */
import type { Chance } from '../../src/base/chance.ts'
import { MESSAGE_TYPE, type MessageType } from '../../src/bgp/wire/message.ts'

export class Dice {
  readonly #chance: Chance

  constructor(chance: Chance) {
    this.#chance = chance
  }

  below(limit: number): number {
    return Math.floor(this.#chance.next() * limit)
  }

  one(share: number): boolean {
    return this.#chance.next() < share
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item
  }

  /** Small mostly, sometimes large. */
  few(most: number): number {
    return this.one(0.97) ? this.below(Math.min(4, most + 1)) : this.below(most + 1)
  }

  octets(count: number): number[] {
    return Array.from({ length: count }, () => (this.one(0.5) ? this.pick(ODD) : this.below(256)))
  }
}

const ODD = [0, 1, 2, 3, 4, 5, 16, 32, 33, 127, 128, 129, 254, 255]

const u16 = (value: number): number[] => [(value >> 8) & 255, value & 255]
const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value & 0xffff)]

/** A header that is right, around any body. */
function frame(type: MessageType, body: readonly number[]): Uint8Array {
  const length = Math.min(19 + body.length, 65_535)
  const bytes = new Uint8Array(19 + body.length)
  bytes.fill(0xff, 0, 16)
  bytes.set([...u16(length), MESSAGE_TYPE[type]], 16)
  for (let at = 0; at < body.length; at++) bytes[19 + at] = body[at] as number
  return bytes
}

export type Grammar = (dice: Dice) => Uint8Array

export const MESSAGES: Readonly<Record<MessageType, Grammar>> = {
  open: (dice) => frame('open', openBody(dice)),
  update: (dice) => frame('update', updateBody(dice)),
  notification: (dice) => frame('notification', notificationBody(dice)),
  keepalive: (dice) => frame('keepalive', dice.one(0.9) ? [] : dice.octets(dice.few(4))),
  'route-refresh': (dice) => frame('route-refresh', refreshBody(dice)),
}

// ---- OPEN

function openBody(dice: Dice): number[] {
  const capabilities = Array.from({ length: dice.few(12) }, () => capability(dice))
  const parameters = dice.one(0.5)
    ? [{ type: 2, value: capabilities.flat() }]
    : capabilities.map((value) => ({ type: dice.one(0.95) ? 2 : dice.below(256), value }))
  const extended = dice.one(0.15)
  const encoded = parameters.flatMap(({ type, value }) => [
    type,
    ...(extended ? u16(lie(dice, value.length)) : [lie(dice, value.length) & 255]),
    ...value,
  ])
  return [
    dice.one(0.97) ? 4 : dice.below(256),
    ...u16(dice.pick([65_001, 65_002, 23_456, 0, 64_512, 65_535])),
    ...u16(dice.pick([0, 1, 2, 3, 90, 180, 65_535])),
    ...u32(dice.pick([0x0a000001, 0x0a000002, 0, 0xffffffff, 0x0a000064])),
    ...(extended ? [255, 255, ...u16(lie(dice, encoded.length))] : [lie(dice, encoded.length) & 255]),
    ...encoded,
  ]
}

const CAPABILITIES = [1, 2, 5, 6, 9, 64, 65, 69, 70, 71, 73]

function capability(dice: Dice): number[] {
  const code = dice.one(0.9) ? dice.pick(CAPABILITIES) : dice.below(256)
  const value = capabilityValue(dice, code)
  return [code, lie(dice, value.length) & 255, ...value]
}

function capabilityValue(dice: Dice, code: number): number[] {
  if (dice.one(0.1)) return dice.octets(dice.few(40))
  const family = () => [0, dice.pick([1, 2, 2, 25]), 0, dice.pick([1, 1, 2, 128])]
  if (code === 1) return family()
  if (code === 5) return repeat(dice, 3, () => [...family(), 0, dice.pick([1, 2])])
  if (code === 9) return [dice.below(6)]
  if (code === 64) {
    return [...dice.octets(2), ...repeat(dice, 3, () => [0, dice.pick([1, 2]), 1, dice.pick([0, 128])])]
  }
  if (code === 65) return u32(dice.pick([65_001, 65_002, 0, 0xffffffff, 4_200_000_000]))
  if (code === 69) return repeat(dice, 3, () => [0, dice.pick([1, 2]), 1, dice.below(5)])
  if (code === 73) {
    const host = dice.octets(dice.few(20))
    return [lie(dice, host.length) & 255, ...host, 0]
  }
  return []
}

// ---- UPDATE

function updateBody(dice: Dice): number[] {
  const addPath = dice.one(0.1)
  const withdrawn = dice.one(0.3) ? nlri(dice, 4, addPath) : []
  const announced = dice.one(0.6) ? nlri(dice, 4, addPath) : []
  const attributes = attributeList(dice, addPath)
  return [
    ...u16(lie(dice, withdrawn.length)),
    ...withdrawn,
    ...u16(lie(dice, attributes.length)),
    ...attributes,
    ...announced,
  ]
}

function nlri(dice: Dice, width: number, addPath: boolean): number[] {
  return repeat(dice, 8, () => {
    const bits = dice.one(0.97) ? dice.pick([0, 1, 8, 16, 20, 24, 32, width * 8]) : dice.below(256)
    return [...(addPath ? u32(dice.below(3)) : []), bits, ...prefixOctets(dice, (bits + 7) >> 3)]
  })
}

/** Few values, so that prefixes meet again. */
const prefixOctets = (dice: Dice, count: number): number[] =>
  Array.from({ length: count }, (_, index) => (index === 0 ? dice.pick([10, 32, 192]) : dice.below(3)))

const KNOWN = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 25, 32, 35]

function attributeList(dice: Dice, addPath: boolean): number[] {
  if (dice.one(0.1)) return []
  const types = [
    1,
    2,
    3,
    ...Array.from({ length: dice.few(8) }, () => (dice.one(0.9) ? dice.pick(KNOWN) : dice.below(256))),
  ]
  if (dice.one(0.4)) types.push(14)
  if (dice.one(0.2)) types.push(15)
  const kept = types.filter(() => dice.one(0.95))
  if (dice.one(0.3)) kept.sort(() => dice.below(3) - 1)
  return kept.flatMap((type) => attribute(dice, type, addPath))
}

function attribute(dice: Dice, type: number, addPath: boolean): number[] {
  const value = dice.one(0.04) ? dice.octets(dice.few(300)) : attributeValue(dice, type, addPath)
  const right = type <= 3 || type === 5 || type === 6 ? 0x40 : [4, 9, 10, 14, 15].includes(type) ? 0x80 : 0xc0
  const flags = (dice.one(0.96) ? right : dice.below(256)) | (dice.one(0.05) ? 0x20 : 0)
  const length = lie(dice, value.length)
  const wide = value.length > 255 || dice.one(0.1)
  return wide ? [flags | 0x10, type, ...u16(length), ...value] : [flags & ~0x10, type, length & 255, ...value]
}

function attributeValue(dice: Dice, type: number, addPath: boolean): number[] {
  switch (type) {
    case 1:
      return [dice.one(0.97) ? dice.below(3) : dice.below(256)]
    case 2:
    case 17:
      return asPath(dice)
    case 3:
      return dice.pick([
        [10, 0, 0, 1],
        [10, 0, 0, 2],
        [0, 0, 0, 0],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [10, 0, 0, 100],
      ])
    case 6:
      return []
    case 7:
    case 18:
      return [...u32(dice.pick([0, 65_001, 4_200_000_000])), ...dice.octets(4)]
    case 8:
      return repeat(dice, 60, () =>
        dice.pick([[255, 255, 255, 1], [255, 255, 255, 2], [255, 255, 0, 0], dice.octets(4)]),
      )
    case 10:
      return repeat(dice, 20, () => dice.octets(4))
    case 14:
      return reach(dice, addPath)
    case 15:
      return [0, dice.pick([1, 2, 2, 25]), dice.pick([1, 1, 1, 2, 128]), ...nlri(dice, dice.pick([4, 16]), addPath)]
    case 16:
      return repeat(dice, 30, () => dice.octets(8))
    case 25:
      return repeat(dice, 10, () => dice.octets(20))
    case 32:
      return repeat(dice, 30, () => dice.octets(12))
    default:
      return dice.octets(type === 4 || type === 5 || type === 9 || type === 35 ? 4 : dice.few(60))
  }
}

function asPath(dice: Dice): number[] {
  const width = dice.one(0.85) ? 4 : 2
  const asn = () => {
    const value = dice.pick([65_001, 65_001, 65_002, 64_512, 23_456, 0, 4_200_000_000, 7])
    return width === 4 ? u32(value) : u16(value & 0xffff)
  }
  return repeat(dice, 4, () => {
    const asns = Array.from({ length: dice.few(255) }, asn)
    return [dice.one(0.9) ? 2 : dice.below(6), lie(dice, asns.length) & 255, ...asns.flat()]
  })
}

function reach(dice: Dice, addPath: boolean): number[] {
  const six = dice.one(0.7)
  const length = dice.one(0.95) ? dice.pick(six ? [16, 32] : [4]) : dice.below(64)
  const hop = Array.from({ length }, (_, index) => (index === 0 ? dice.pick([0x20, 0xfd, 10, 0xfe]) : dice.below(3)))
  const family = [0, six ? 2 : dice.pick([1, 2, 25]), dice.one(0.95) ? 1 : dice.below(256)]
  return [...family, lie(dice, length) & 255, ...hop, 0, ...nlri(dice, six ? 16 : 4, addPath)]
}

// ---- the others

function notificationBody(dice: Dice): number[] {
  const text = dice.octets(dice.few(128))
  const data = dice.one(0.5) ? [lie(dice, text.length) & 255, ...text] : dice.octets(dice.few(200))
  return [dice.below(10), dice.below(12), ...data]
}

const refreshBody = (dice: Dice): number[] =>
  dice.one(0.9)
    ? [0, dice.pick([1, 2, 25]), dice.pick([0, 0, 1, 2, 3, 255]), dice.pick([1, 1, 2, 128])]
    : dice.octets(dice.few(60))

// ---- noise

const repeat = (dice: Dice, most: number, make: () => readonly number[]): number[] =>
  Array.from({ length: dice.few(most) }, make).flat()

/** A length, or now and then another. */
const lie = (dice: Dice, length: number): number =>
  dice.one(0.99) ? length : dice.pick([0, length + 1, Math.max(0, length - 1), 255, 65_535, dice.below(65_536)])

/** The same octets with something wrong; the length in the header mostly follows. */
export function mutate(dice: Dice, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let now = [...bytes]
  for (let turn = 1 + dice.few(6); turn > 0 && now.length > 0; turn--) {
    const at = dice.one(0.9) && now.length > 19 ? 19 + dice.below(now.length - 19) : dice.below(now.length)
    const kind = dice.below(7)
    if (kind === 0) now[at] = (now[at] as number) ^ (1 << dice.below(8))
    else if (kind === 1) now[at] = dice.pick(ODD)
    else if (kind === 2) now.splice(at, 1 + dice.few(8))
    else if (kind === 3) now.splice(at, 0, ...dice.octets(1 + dice.few(8)))
    else if (kind === 4) now.splice(at, 0, ...now.slice(at, at + 1 + dice.few(40)))
    else if (kind === 5) now = now.slice(0, Math.max(1, at))
    else if (others.length > 0) {
      const other = dice.pick(others)
      const from = dice.below(other.length)
      now.splice(at, dice.few(20), ...other.subarray(from, from + 1 + dice.few(100)))
    }
  }
  const mutated = Uint8Array.from(now.slice(0, 65_535))
  if (mutated.length >= 18 && dice.one(0.9)) mutated.set(u16(mutated.length), 16)
  return mutated
}
