/**
 * The network between hosts in memory: TCP as the engine sees it, with what happens to TCP out there.
 *
 * Inside one direction of one connection bytes keep their order; between connections nothing does. A delay is drawn for
 * every piece; a lost packet is a long delay, as TCP sends it again. Behind a partition things wait, and go on when it
 * heals. A machine without power says nothing; once it is back it answers what it does not know with a reset.
 *
 * Comes in: dial, send, close. Goes out, by `deliver`: Inputs, each at its time.
 */
import { addressBytes, familyOfAddress } from '../../src/base/address.ts'
import type { Chance } from '../../src/base/chance.ts'
import type { ConnId, Endpoint } from '../../src/bgp/session/types.ts'
import type { Input } from '../../src/engine/input.ts'

/** A host as the network knows it. */
export interface Station {
  readonly name: string
  readonly addresses: readonly string[]
  readonly listening: { readonly port: number; readonly addresses: readonly string[] } | undefined
  /** It has power: what arrives for an unknown connection is answered. */
  readonly alive: boolean
  readonly ends: Map<ConnId, End>
}

export interface End {
  readonly station: Station
  readonly conn: ConnId
  phase: 'dialling' | 'open' | 'gone'
  other: End | undefined
  /** When the last thing that it sent arrives: nothing sent later may overtake it. */
  lastArrival: number
  /** Bytes that it sent and that the other has not taken. */
  inFlight: number
  /** It waits for room. */
  full: boolean
  /** That there is room is on its way to it. */
  draining: boolean
  /** Behind a partition. */
  readonly stalled: Input[]
  /** It has said that it closes. */
  finished: boolean
}

export interface LinkOptions {
  /** Cuts every delivery into pieces of this many bytes, or of any size. */
  readonly chunk?: number | 'any'
  /** Milliseconds from host to host: least and most. */
  readonly delay?: readonly [number, number]
  /** Share of pieces that are lost and sent again. */
  readonly loss?: number
  /** Milliseconds, least and most, until a sender hears that its kernel took what it sent. At once unless said. */
  readonly drain?: readonly [number, number]
  /** Bytes that the kernels of both ends hold for a direction before the sender has to wait. */
  readonly window?: number
}

export interface LinksDoor {
  readonly chance: Chance
  now(): number
  find(address: string): Station | undefined
  /** An Input for a connection's end, to be handed over `after` so many milliseconds by `arrive`. */
  deliver(end: End, input: Input, after: number): void
}

const TYPE_AT = 18
const UPDATE = 2
const DIAL_TIMEOUT = 60_000
const RETRANSMIT = 200
/** TCP gives up what nobody acknowledges. */
const GIVES_UP = 900_000
const RESET = 'Connection reset by peer'

export class Links {
  readonly #options: LinkOptions
  readonly #door: LinksDoor
  readonly #partitions = new Set<string>()
  #nextPort = 40_000
  #nextAccepted = 1

  constructor(options: LinkOptions, door: LinksDoor) {
    this.#options = options
    this.#door = door
  }

  // ---- what hosts ask for

  dial(from: Station, conn: ConnId, remote: Endpoint, localAddress: string | undefined): void {
    const end = newEnd(from, conn, 'dialling')
    from.ends.set(conn, end)
    const family = familyOfAddress(remote.address)
    const own = from.addresses.filter((each) => familyOfAddress(each) === family)
    const address = localAddress ?? nearest(own, remote.address)
    if (address === undefined || !from.addresses.includes(address)) {
      this.#failDial(end, `Cannot assign requested address ${address}: this machine does not have that address`, 0)
      return
    }
    const there = this.#door.find(remote.address)
    if (there === undefined || !there.alive || this.isParted(from, there)) {
      this.#failDial(end, 'Connection timed out', DIAL_TIMEOUT)
    } else if (!isListening(there, remote)) this.#failDial(end, 'Connection refused', this.#delay() + this.#delay())
    else this.#connect(end, there, { address, port: this.#port() }, remote)
  }

  send(from: Station, conn: ConnId, bytes: Uint8Array): void {
    const end = from.ends.get(conn)
    if (end === undefined || end.phase !== 'open' || end.finished) return
    // The engine's promise: a neighbor that does not read costs it one run of UPDATEs and no more.
    if (end.full && bytes[TYPE_AT] === UPDATE) throw new Error(`${from.name} sends UPDATEs where there is no room`)
    end.inFlight += bytes.length
    for (let at = 0; at < bytes.length; ) {
      const size = this.#pieceOf(bytes.length - at)
      this.#carry(end, { kind: 'received', conn: 0, bytes: bytes.slice(at, at + size) })
      at += size
    }
    if (end.inFlight <= (this.#options.window ?? 1 << 18)) this.#drain(end)
    else end.full = true
  }

  /** Behind all that was sent; the closer hears of its end, and nothing after. */
  close(from: Station, conn: ConnId): void {
    const end = from.ends.get(conn)
    if (end === undefined || end.finished) return
    if (end.phase === 'dialling') {
      end.finished = true
      this.#failDial(end, 'Closed before it was established', 0)
      if (end.other !== undefined) this.#carry(end, { kind: 'closed', conn: 0, reason: undefined })
      return
    }
    this.#carry(end, { kind: 'closed', conn: 0, reason: undefined })
    end.finished = true
    this.#door.deliver(end, { kind: 'closed', conn, reason: undefined }, this.#delay())
  }

  // ---- what befalls them

  /** The process is gone, its kernel says so; or the power is, and nobody says anything. */
  lose(station: Station, how: 'process' | 'power'): void {
    for (const end of station.ends.values()) {
      end.phase = 'gone'
      if (how === 'process' && end.other !== undefined) this.#carry(end, { kind: 'closed', conn: 0, reason: RESET })
    }
    station.ends.clear()
  }

  /** Every connection between two hosts is reset, somewhere in the middle. */
  cut(a: Station, b: Station): number {
    let cuts = 0
    for (const end of [...a.ends.values()]) {
      if (end.other?.station !== b || end.phase !== 'open') continue
      this.#door.deliver(end, { kind: 'closed', conn: end.conn, reason: RESET }, this.#delay())
      this.#door.deliver(end.other, { kind: 'closed', conn: end.other.conn, reason: RESET }, this.#delay())
      cuts++
    }
    return cuts
  }

  part(a: Station, b: Station): void {
    this.#partitions.add(pairOf(a, b))
  }

  heal(a: Station, b: Station): void {
    if (!this.#partitions.delete(pairOf(a, b))) return
    for (const [station, other] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const end of station.ends.values()) {
        if (end.other?.station === other) for (const input of end.stalled.splice(0)) this.#carry(end, input)
      }
    }
  }

  isParted(a: Station, b: Station): boolean {
    return this.#partitions.size > 0 && this.#partitions.has(pairOf(a, b))
  }

  // ---- what arrives

  /** The time of an Input has come: undefined where it finds nobody. */
  arrive(end: End, input: Input): Input | undefined {
    if (end.phase === 'gone') {
      this.#bounce(end, input)
      return undefined
    }
    switch (input.kind) {
      case 'received':
        this.#taken(end, input.bytes.length)
        return end.finished ? undefined : { ...input, conn: end.conn }
      case 'connected':
        if (end.finished) return undefined
        end.phase = 'open'
        return input
      case 'closed':
      case 'dial-failed':
        end.phase = 'gone'
        end.station.ends.delete(end.conn)
        return { ...input, conn: end.conn }
      case 'drained':
        end.draining = false
        // Something larger was sent in the meantime.
        return end.full ? undefined : input
      default:
        return input
    }
  }

  #taken(end: End, length: number): void {
    const sender = end.other
    if (sender === undefined) return
    sender.inFlight -= length
    if (!sender.full || sender.inFlight > (this.#options.window ?? 1 << 18)) return
    sender.full = false
    if (sender.phase === 'open') this.#drain(sender)
  }

  /** Said once for all that was sent meanwhile. */
  #drain(end: End): void {
    if (end.draining) return
    end.draining = true
    const { drain } = this.#options
    const after = drain === undefined ? 0 : this.#between(drain)
    this.#door.deliver(end, { kind: 'drained', conn: end.conn }, after)
  }

  /** A living host answers bytes of a connection it does not know with a reset. */
  #bounce(end: End, input: Input): void {
    const sender = end.other
    const host = this.#door.find(end.station.addresses[0] ?? '')
    if (input.kind !== 'received' || sender?.phase !== 'open' || host?.alive !== true) return
    this.#door.deliver(sender, { kind: 'closed', conn: sender.conn, reason: RESET }, this.#delay())
  }

  #connect(end: End, there: Station, local: Endpoint, remote: Endpoint): void {
    const conn = this.#nextAccepted
    this.#nextAccepted += 2
    const accepted = newEnd(there, conn, 'open')
    there.ends.set(conn, accepted)
    end.other = accepted
    accepted.other = end
    const [out, back] = [this.#delay(), this.#delay()]
    const input: Input = { kind: 'accepted', conn, local: remote, remote: local }
    end.lastArrival = this.#door.now() + out
    accepted.lastArrival = end.lastArrival + back
    this.#door.deliver(accepted, input, out)
    this.#door.deliver(end, { kind: 'connected', conn: end.conn, local, remote }, out + back)
  }

  #failDial(end: End, reason: string, after: number): void {
    this.#door.deliver(end, { kind: 'dial-failed', conn: end.conn, reason }, after)
  }

  /** In order behind what went before. */
  #carry(end: End, input: Input): void {
    const { other } = end
    if (other === undefined) return
    if (this.isParted(end.station, other.station)) {
      if (end.stalled.length === 0) {
        // Both sides find out for themselves; the one that waits longest is TCP.
        this.#door.deliver(end, { kind: 'closed', conn: end.conn, reason: 'Connection timed out' }, GIVES_UP)
      }
      end.stalled.push(input)
      return
    }
    const now = this.#door.now()
    end.lastArrival = Math.max(end.lastArrival, now + this.#delay())
    this.#door.deliver(other, input, end.lastArrival - now)
  }

  #delay(): number {
    const { delay: range = [1, 1], loss = 0 } = this.#options
    const { chance } = this.#door
    let delay = this.#between(range)
    for (let again = RETRANSMIT; loss > 0 && chance.next() < loss && again < 10_000; again *= 2) delay += again
    return delay
  }

  #between([least, most]: readonly [number, number]): number {
    return least === most ? least : least + this.#door.chance.next() * (most - least)
  }

  #pieceOf(left: number): number {
    const { chunk } = this.#options
    if (chunk === undefined) return left
    if (chunk !== 'any') return Math.min(chunk, left)
    const { chance } = this.#door
    return chance.next() < 0.7 ? left : Math.min(left, 1 + Math.floor(chance.next() * 64))
  }

  #port(): number {
    this.#nextPort = this.#nextPort >= 60_000 ? 40_000 : this.#nextPort + 1
    return this.#nextPort
  }
}

function newEnd(station: Station, conn: ConnId, phase: End['phase']): End {
  return {
    station,
    conn,
    phase,
    other: undefined,
    lastArrival: 0,
    inFlight: 0,
    full: false,
    draining: false,
    stalled: [],
    finished: false,
  }
}

const isListening = ({ listening }: Station, { address, port }: Endpoint): boolean =>
  listening?.port === port && (listening.addresses.length === 0 || listening.addresses.includes(address))

const pairOf = (a: Station, b: Station): string => (a.name < b.name ? `${a.name} ${b.name}` : `${b.name} ${a.name}`)

/** As the kernel chooses: the address that has the most octets in common with the remote one, else the first. */
function nearest(own: readonly string[], remote: string): string | undefined {
  const common = (address: string): number => {
    const [a, b] = [addressBytes(address), addressBytes(remote)]
    const at = a.findIndex((octet, index) => octet !== b[index])
    return at < 0 ? a.length : at
  }
  return own.reduce<string | undefined>(
    (best, each) => (best === undefined || common(each) > common(best) ? each : best),
    undefined,
  )
}
