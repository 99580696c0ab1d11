/**
 * A network in memory: hosts with addresses, connections between them, nothing real. It keeps the same contract as TCP
 * (`test/contract/net.ts`), and nothing happens on it until somebody steps it: a run can be repeated.
 */
import { type Address, familyOfAddress } from '../../src/base/address.ts'
import type { Family } from '../../src/base/family.ts'
import { calledFrom } from '../../src/bgp/session/end-reason.ts'
import type { ConnId, Endpoint } from '../../src/bgp/session/types.ts'
import type { Network, NetworkEffect } from '../../src/edge/net/network.ts'
import type { Input } from '../../src/engine/input.ts'

type Feed = (input: Input) => void

export class MemoryNet {
  readonly #hosts: MemoryHost[] = []
  #pending: (() => void)[] = []

  /** A host with these addresses, all on one interface. */
  host(addresses: readonly Address[], feed: Feed): MemoryHost {
    const host = new MemoryHost(this, addresses, feed)
    this.#hosts.push(host)
    return host
  }

  /** The next thing that was under way; false when there is none. */
  step(): boolean {
    const next = this.#pending.shift()
    next?.()
    return next !== undefined
  }

  /** All that is under way, and all that follows from it. */
  run(): void {
    while (this.step());
  }

  /** For hosts: happens later, in this order. */
  later(happens: () => void): void {
    this.#pending.push(happens)
  }

  find(address: Address): MemoryHost | undefined {
    return this.#hosts.find((host) => host.addresses.includes(address))
  }
}

/** One end of a connection. */
interface End {
  readonly host: MemoryHost
  readonly conn: ConnId
  phase: 'dialling' | 'open' | 'closing' | 'gone'
  other: End | undefined
}

export class MemoryHost implements Network {
  readonly addresses: readonly Address[]
  readonly #net: MemoryNet
  readonly #feed: Feed
  readonly #ends = new Map<ConnId, End>()
  #listening: readonly Listening[] = []
  /** Wanted, on addresses that are not here. */
  #failed: readonly Listening[] = []
  #nextAccepted: ConnId = 1
  #nextPort = 40_000

  constructor(net: MemoryNet, addresses: readonly Address[], feed: Feed) {
    this.#net = net
    this.addresses = addresses
    this.#feed = feed
  }

  perform(effect: NetworkEffect): void {
    if (effect.kind === 'protect') return
    if (effect.kind === 'listen') this.#listen(effect.port, effect.addresses)
    else if (effect.kind === 'dial') this.#dial(effect.conn, effect.remote, effect.localAddress)
    else {
      const end = this.#ends.get(effect.conn)
      if (end === undefined) return
      if (effect.kind === 'send') this.#send(end, effect.bytes)
      else if (effect.kind === 'close') this.#close(end)
      else this.#drop(end, undefined)
    }
  }

  async stop(): Promise<void> {
    this.#listening = []
    this.#failed = []
    for (const end of this.#ends.values()) this.#close(end)
  }

  /** As when the machine loses power: nobody is told anything here, the others find their connections reset. */
  crash(): void {
    this.#listening = []
    this.#failed = []
    for (const end of this.#ends.values()) {
      end.phase = 'gone'
      const { other } = end
      if (other !== undefined) this.#net.later(() => other.host.#end(other, 'Connection reset by peer'))
    }
    this.#ends.clear()
  }

  #listen(port: number, addresses: readonly Address[]): void {
    const before = [...this.#listening, ...this.#failed]
    const wanted = (addresses.length === 0 ? [undefined] : addresses).map(at(port))
    const isKnown = ({ address }: Listening) => address === undefined || this.addresses.includes(address)
    this.#listening = wanted.filter(isKnown)
    this.#failed = wanted.filter((one) => !isKnown(one))
    for (const one of before) if (!wanted.some(isAt(one))) this.#later({ kind: 'listen-ended', ...one })
    for (const one of wanted) {
      if (before.some(isAt(one))) continue
      const reason = 'Cannot assign requested address'
      this.#later(isKnown(one) ? { kind: 'listening', ...one } : { kind: 'listen-failed', ...one, reason })
    }
  }

  #dial(conn: ConnId, remote: Endpoint, localAddress: Address | undefined): void {
    const end: End = { host: this, conn, phase: 'dialling', other: undefined }
    this.#ends.set(conn, end)
    const called = localAddress === undefined ? '' : `, ${calledFrom(localAddress, remote.address)}`
    this.#net.later(() => this.#arrive(end, remote, localAddress ?? this.#own(familyOfAddress(remote.address)), called))
  }

  #arrive(end: End, remote: Endpoint, localAddress: Address | undefined, called: string): void {
    if (end.phase !== 'dialling') return
    const there = this.#net.find(remote.address)
    const ours = localAddress !== undefined && this.addresses.includes(localAddress)
    const whyNot = !ours
      ? `Cannot assign requested address ${localAddress}: this machine does not have that address`
      : there === undefined
        ? `No route to host${called}`
        : there.#isListening(remote)
          ? undefined
          : `Connection refused${called}`
    if (whyNot !== undefined || there === undefined || localAddress === undefined) {
      this.#fail(end, whyNot ?? 'No route to host')
      return
    }
    const local = { address: localAddress, port: this.#nextPort++ }
    end.phase = 'open'
    there.#accept(end, remote, local)
    this.#feed({ kind: 'connected', conn: end.conn, local, remote })
  }

  #accept(dialler: End, local: Endpoint, remote: Endpoint): void {
    const conn = this.#nextAccepted
    this.#nextAccepted += 2
    const end: End = { host: this, conn, phase: 'open', other: dialler }
    dialler.other = end
    this.#ends.set(conn, end)
    this.#net.later(() => this.#feed({ kind: 'accepted', conn, local, remote }))
  }

  #send(end: End, bytes: Uint8Array): void {
    if (end.phase !== 'open') return
    const copy = bytes.slice()
    this.#net.later(() => {
      const { other } = end
      if (other?.phase === 'open') other.host.#feed({ kind: 'received', conn: other.conn, bytes: copy })
      if (end.phase === 'open') this.#feed({ kind: 'drained', conn: end.conn })
    })
  }

  /** Behind everything that was sent. */
  #close(end: End): void {
    if (end.phase === 'dialling') this.#drop(end, 'Closed before it was established')
    if (end.phase !== 'open') return
    end.phase = 'closing'
    this.#net.later(() => this.#drop(end, undefined))
  }

  #drop(end: End, reason: string | undefined): void {
    if (end.phase === 'gone') return
    if (end.phase === 'dialling') {
      this.#fail(end, reason ?? 'Connection closed')
      return
    }
    const { other } = end
    this.#end(end, undefined)
    if (other !== undefined) this.#net.later(() => other.host.#end(other, undefined))
  }

  #end(end: End, reason: string | undefined): void {
    if (end.phase === 'gone') return
    end.phase = 'gone'
    this.#ends.delete(end.conn)
    this.#later({ kind: 'closed', conn: end.conn, reason })
  }

  #fail(end: End, reason: string): void {
    end.phase = 'gone'
    this.#ends.delete(end.conn)
    this.#later({ kind: 'dial-failed', conn: end.conn, reason })
  }

  #later(input: Input): void {
    this.#net.later(() => this.#feed(input))
  }

  #isListening({ address, port }: Endpoint): boolean {
    return this.#listening.some((one) => one.port === port && (one.address ?? address) === address)
  }

  #own(family: Family): Address | undefined {
    return this.addresses.find((address) => familyOfAddress(address) === family)
  }
}

interface Listening {
  /** `undefined`: all addresses. */
  readonly address: Address | undefined
  readonly port: number
}

const at =
  (port: number) =>
  (address: Address | undefined): Listening => ({ address, port })

const isAt =
  (one: Listening) =>
  ({ address, port }: Listening): boolean =>
    address === one.address && port === one.port
