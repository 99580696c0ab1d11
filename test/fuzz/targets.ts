/** What is tried: each target takes any bytes, and throws when something is not as it must be. */

import { equalBytes, hex } from '../../src/base/bytes.ts'
import { FAMILIES } from '../../src/base/family.ts'
import { negotiate, ourOpen } from '../../src/bgp/session/negotiate.ts'
import { decodeAttributes, encodeAttributes } from '../../src/bgp/wire/attribute.ts'
import type { PeerType, WireContext } from '../../src/bgp/wire/context.ts'
import type { MessageError } from '../../src/bgp/wire/error.ts'
import { Framer } from '../../src/bgp/wire/framer.ts'
import type { MessageFrame } from '../../src/bgp/wire/header.ts'
import { checkNlri, formatNlri } from '../../src/bgp/wire/nlri.ts'
import { decodeNotification, describeNotification, encodeNotification } from '../../src/bgp/wire/notification.ts'
import { decodeOpen, encodeOpen } from '../../src/bgp/wire/open.ts'
import { decodeRouteRefresh } from '../../src/bgp/wire/route-refresh.ts'
import { UpdateDecoder } from '../../src/bgp/wire/update.ts'
import { config } from '../support/wire-pair.ts'
import { type Dice, type Grammar, MESSAGES } from './grammar.ts'
import { SessionTarget } from './session.ts'

export interface Target {
  readonly name: string
  readonly grammar: Grammar
  /** Throws when something is wrong. What it says is a kind of outcome: one not seen before is worth keeping. */
  try(bytes: Uint8Array, dice: Dice): string
}

function must(holds: boolean, text: string): asserts holds {
  if (!holds) throw new Error(text)
}

const frameOf = (bytes: Uint8Array): MessageFrame => ({ type: bytes[18] ?? 0, bytes, start: 0, end: bytes.length })

/** Digits aside, the words of an error are its kind. */
const kindOf = (text: string): string => text.replace(/\d+/g, '#')

function checkError({ code, subcode, data, text }: MessageError): string {
  must(code >= 1 && code <= 8 && subcode >= 0 && subcode <= 255, `an error of ${code}/${subcode}`)
  must(text !== '' && text.length < 1000, 'an error without words')
  must(encodeNotification({ code, subcode, data }).length <= 4096, 'a NOTIFICATION too long')
  return kindOf(text)
}

// ---- framer

/** However the stream is cut, the same messages come out. */
function tryFramer(bytes: Uint8Array, dice: Dice): string {
  const size = dice.pick([4096, 65_535])
  const whole = framesOf(bytes, size, () => bytes.length)
  const most = dice.pick([3, 60, 400])
  const pieces = framesOf(bytes, size, () => 1 + dice.below(most))
  must(whole === pieces, `whole: ${whole}, in pieces: ${pieces}`)
  return whole.replace(/:[0-9a-f]*/g, '').slice(0, 40)
}

function framesOf(bytes: Uint8Array, messageSize: number, next: () => number): string {
  const framer = new Framer()
  framer.messageSize = messageSize
  const found: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const size = next()
    const chunk = bytes.slice(at, at + size)
    at += size
    framer.push(chunk)
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
      if ('kind' in frame) {
        checkError(frame)
        return [...found, `error ${frame.code}/${frame.subcode} ${hex(frame.data)}`].join()
      }
      must(frame.end - frame.start >= 19 && frame.end <= frame.bytes.length, 'a frame out of bounds')
      found.push(`${frame.type}:${sum(frame.bytes, frame.start, frame.end)}`)
    }
    chunk.fill(0x5a)
  }
  return found.join()
}

/** FNV-1a, in place of the octets. */
function sum(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let hash = 0x811c9dc5
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193)
  return (hash >>> 0).toString(16)
}

// ---- OPEN

const OUR_CONFIGS = [config(), config({ remoteAs: 'internal' }), config({ remoteAs: 'external', families: ['ipv6'] })]

function tryOpen(bytes: Uint8Array, dice: Dice): string {
  if (bytes.length < 19) return 'short'
  const open = decodeOpen(frameOf(bytes))
  if (open.kind === 'message-error') {
    return checkError(open)
  }
  const again = decodeOpen(frameOf(encodeOpen(open)))
  const [said, back] = [words(open), words(again)]
  must(said === back, `${said} came back as ${back}`)
  const ours = dice.pick(OUR_CONFIGS)
  const agreed = negotiate(ours, ourOpen(ours), open)
  if ('kind' in agreed) {
    return checkError(agreed)
  }
  must(
    agreed.families.every((family) => ours.families.includes(family)),
    'a family that we did not offer',
  )
  must(agreed.holdTime === 0 || agreed.holdTime >= 3, `a hold time of ${agreed.holdTime}`)
  return open.capabilities
    .map(({ kind }) => kind)
    .sort()
    .join()
}

const words = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (part instanceof Uint8Array ? hex(part) : part))

// ---- UPDATE

const CONTEXTS: readonly WireContext[] = (['internal', 'external'] as const).flatMap((peerType: PeerType) =>
  [true, false].flatMap((fourOctetAs) =>
    [[], FAMILIES, ['ipv6' as const]].map((addPath, index) => ({
      fourOctetAs,
      families: index === 2 ? (['ipv6'] as const) : FAMILIES,
      addPath,
      extendedNextHop: index === 1,
      messageSize: 65_535,
      peerType,
    })),
  ),
)

const decoder = new UpdateDecoder()

function tryUpdate(bytes: Uint8Array, dice: Dice): string {
  if (bytes.length < 23) return 'short'
  const context = dice.pick(CONTEXTS)
  const before = sum(bytes)
  const error = decoder.decode(bytes, 0, bytes.length, context)
  must(sum(bytes) === before, 'the decoder writes into what it reads')
  if (error !== undefined) {
    return checkError(error)
  }
  const { reachFamily, unreachFamily } = decoder
  const add = (family: (typeof FAMILIES)[number]) => context.addPath.includes(family)
  checkRange(bytes, decoder.withdrawnStart, decoder.withdrawnEnd, 'ipv4', add('ipv4'))
  checkRange(bytes, decoder.nlriStart, decoder.nlriEnd, 'ipv4', add('ipv4'))
  if (unreachFamily) checkRange(bytes, decoder.unreachStart, decoder.unreachEnd, unreachFamily, add(unreachFamily))
  if (reachFamily) {
    checkRange(bytes, decoder.reachStart, decoder.reachEnd, reachFamily, add(reachFamily))
    const { reachNextHopStart: hop, reachNextHopLength: length } = decoder
    must([4, 16, 32].includes(length) && hop + length <= bytes.length, `a next hop of ${length}`)
  }
  must(
    decoder.treatAsWithdraw === decoder.problems.some(({ action }) => action === 'withdraw'),
    'withdrawn for nothing',
  )
  const canonical = decoder.attributes.slice(0, decoder.attributesLength)
  const kind = decoder.problems.map(({ text }) => kindOf(text)).join()
  if (canonical.length === 0 || decoder.treatAsWithdraw) return kind
  const again = encodeAttributes(decodeAttributes(canonical))
  if (!equalBytes(again, canonical)) throw new Error(`${hex(canonical)} came back as ${hex(again)}`)
  return kind
}

function checkRange(
  bytes: Uint8Array,
  start: number,
  end: number,
  family: (typeof FAMILIES)[number],
  addPath: boolean,
): void {
  must(start <= end && end <= bytes.length, 'a range out of bounds')
  must(checkNlri(bytes, start, end, family, addPath) === -1, 'a range with a broken prefix')
  for (let at = start; at < end; ) {
    const bitsAt = at + (addPath ? 4 : 0)
    formatNlri(bytes, bitsAt, family)
    at = bitsAt + 1 + (((bytes[bitsAt] as number) + 7) >> 3)
  }
}

// ---- the others

function tryNotification(bytes: Uint8Array): string {
  if (bytes.length < 19) return 'short'
  const message = decodeNotification(frameOf(bytes))
  if (message.kind === 'message-error') {
    return checkError(message)
  }
  const { code, subcode, data } = message
  const text = describeNotification(code, subcode, data)
  must(text.length > 0 && text.length < 2_000, `words of ${text.length} characters`)
  // What a neighbor says ends up in logs and on terminals.
  for (const sign of text) must((sign.codePointAt(0) ?? 0) >= 32 && sign !== '\x7f', 'a control character in the words')
  return `${code}/${subcode}`
}

function tryRefresh(bytes: Uint8Array): string {
  if (bytes.length < 19) return 'short'
  const message = decodeRouteRefresh(frameOf(bytes), true)
  if (message?.kind === 'message-error') return checkError(message)
  return message === undefined ? 'ignored' : `${message.family} ${message.subtype}`
}

/** Several messages in a row, so that the framer has something to find. */
const streams: Grammar = (dice) => {
  const parts = Array.from({ length: 1 + dice.few(6) }, () => anyMessage(dice))
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

const TYPES = ['open', 'update', 'update', 'update', 'update', 'notification', 'keepalive', 'route-refresh'] as const
const anyMessage: Grammar = (dice) => MESSAGES[dice.pick(TYPES)](dice)

export function makeTargets(): readonly Target[] {
  const session = new SessionTarget()
  return [
    { name: 'framer', grammar: streams, try: tryFramer },
    { name: 'open', grammar: MESSAGES.open, try: tryOpen },
    { name: 'update', grammar: MESSAGES.update, try: tryUpdate },
    { name: 'notification', grammar: MESSAGES.notification, try: tryNotification },
    { name: 'route-refresh', grammar: MESSAGES['route-refresh'], try: tryRefresh },
    {
      name: 'session',
      grammar: (dice) => (dice.one(0.85) ? MESSAGES.update(dice) : anyMessage(dice)),
      try: (bytes, dice) => session.try(bytes, dice),
    },
  ]
}
