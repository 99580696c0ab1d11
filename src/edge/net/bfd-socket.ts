/**
 * The UDP sockets of BFD (RFC 5881 §4 and §5, RFC 5883 §5): one receiving socket for each family and kind of session,
 * and one sending socket for each session, with a source port of its own.
 *
 * On a single hop the kernel drops packets that crossed a router before our code sees them. In a flood it also drops packets
 * of strangers; now and then they are let in again to see whether the flood is over. Otherwise they are let in, so that the
 * engine can count them and name who sends them.
 */
import { type Address, familyOfAddress } from '../../base/address.ts'
import type { Family } from '../../base/family.ts'
import type { Millis } from '../../base/units.ts'
import type { BfdEffect, BfdInput, BfdIntent } from '../../bfd/types.ts'
import { errorText } from '../error-text.ts'
import {
  attachFilter,
  bindSocket,
  bindToInterface,
  CallError,
  closeSocket,
  droppedBy,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_UNICAST_HOPS,
  IPV6_V6ONLY,
  interfaceName,
  openSocket,
  SOL_SOCKET,
  sendTo,
  setNetworkControl,
  setOption,
  setReceiveBuffer,
} from '../libc.ts'
import { makeFilter } from './bfd-filter.ts'
import { askForInfo, type Datagram, receiveDatagram } from './datagram.ts'
import { attachFitting } from './fitting-filter.ts'

export interface BfdSocketsOptions {
  readonly feed: (input: BfdInput) => void
  readonly now: () => Millis
}

type Hops = BfdIntent['hops']
type Open = Extract<BfdEffect, { readonly kind: 'open' }>

// Numbers of Linux, the same on every architecture that we run on.
const SOCK_DGRAM = 2
const SO_DONTROUTE = 5
const LEVEL: Readonly<Record<Family, number>> = { ipv4: IPPROTO_IP, ipv6: IPPROTO_IPV6 }
const HOPS_OPTION: Readonly<Record<Family, number>> = { ipv4: IP_TTL, ipv6: IPV6_UNICAST_HOPS }

const PORT: Readonly<Record<Hops, number>> = { single: 3784, multi: 4784 }
const ANY: Readonly<Record<Family, Address>> = { ipv4: '0.0.0.0', ipv6: '::' }
/** RFC 5881 §5. Also on several hops, so that a neighbor can ask for a minimum. */
const TTL = 255
/** Octets. Room for the packets of a tenth of a second (`MOST_PACKETS`): the kernel counts about 1 KiB for each. */
const RECEIVE_BUFFER = 1024 * 1024

/**
 * Octets that are read of a datagram. The longest BFD packet, with authentication, has 52; what follows it in its datagram has
 * no meaning (RFC 5880 §6.8.6 only forbids a Length beyond the end).
 */
const LONGEST = 64
/** Datagrams taken from a socket in a row, before timers and the other sockets. */
const AT_ONCE = 64
/** More packets of strangers than this within a second are a flood. */
const FLOOD = 200
const SECOND: Millis = 1_000
/** The kernel drops packets of strangers for this long. */
const FLOOD_PAUSE: Millis = 10_000
/** The name of an interface is cached for this long. */
const NAMES_LAST: Millis = 5_000

interface Listener {
  readonly fd: number
  readonly family: Family
  readonly hops: Hops
  /** Neighbors that may send here, and how many sessions each has. */
  readonly neighbors: Map<Address, number>
  /** The kernel's drop counter, as it was last reported. */
  dropped: number
  /** Packets of strangers since `countedSince`. The first one later than a second after it begins a new count. */
  strangers: number
  countedSince: Millis
  /** Until then strangers are dropped in the kernel. */
  floodUntil: Millis | undefined
}

interface Sender {
  readonly open: Open
  fd: number | undefined
  /** Our receiving socket for this neighbor. */
  listener: Listener | undefined
  error: string | undefined
}

export class BfdSockets {
  readonly #feed: (input: BfdInput) => void
  readonly #now: () => Millis
  readonly #listeners = new Map<string, Listener>()
  readonly #senders = new Map<number, Sender>()
  readonly #names = new Map<number, string>()
  #namesSince: Millis = 0

  constructor({ feed, now }: BfdSocketsOptions) {
    this.#feed = feed
    this.#now = now
  }

  /** Descriptors to poll. */
  get descriptors(): readonly number[] {
    return [...this.#listeners.values()].map(({ fd }) => fd)
  }

  /** A session begins, or is to use another source port. */
  open(open: Open): void {
    const before = this.#senders.get(open.session)
    // That the port before it was taken is over when a packet leaves from this one.
    const sender: Sender = { open, fd: undefined, listener: undefined, error: before?.error }
    this.#senders.set(open.session, sender)
    this.#try(sender, () => this.#ensureListener(sender))
    // Last: `#readFrom` may be reading a receiving socket that no other session needs.
    if (before !== undefined) this.#end(before)
  }

  close(session: number): void {
    const sender = this.#senders.get(session)
    if (sender === undefined) return
    this.#senders.delete(session)
    this.#end(sender)
  }

  #end(sender: Sender): void {
    const { listener, open } = sender
    closeSender(sender)
    if (listener === undefined) return
    this.#admit(listener, open.remote, -1)
    if (listener.neighbors.size === 0) this.#endListener(listener)
  }

  /** A socket that cannot be opened is tried again with every packet. */
  send(session: number, bytes: Uint8Array): void {
    const sender = this.#senders.get(session)
    if (sender === undefined) return
    this.#try(sender, () => {
      this.#ensureListener(sender)
      sender.fd ??= openSender(sender.open)
      sendTo(sender.fd, bytes, sender.open.remote, PORT[sender.open.hops])
      this.#note(sender, undefined, false)
    })
  }

  #try(sender: Sender, call: () => void): void {
    try {
      call()
    } catch (error) {
      const isTaken = error instanceof CallError && error.code === 'EADDRINUSE'
      this.#note(sender, errorText(error), isTaken && sender.listener !== undefined && sender.fd === undefined)
      // The link that it is bound to may have gone, and be there again under its name.
      if (sender.open.device !== undefined) closeSender(sender)
    }
  }

  /** Reads what has arrived; true where more may be waiting. */
  read(): boolean {
    let more = false
    for (const listener of this.#listeners.values()) if (this.#readFrom(listener)) more = true
    return more
  }

  /** Reports what the kernel has dropped since the last call, and whether a flood is over. */
  checkFloods(): void {
    for (const listener of this.#listeners.values()) {
      this.#countDropped(listener)
      if (listener.floodUntil !== undefined && listener.floodUntil <= this.#now()) this.#endFlood(listener)
    }
  }

  stop(): void {
    for (const session of [...this.#senders.keys()]) this.close(session)
  }

  // ---- receiving

  #ensureListener(sender: Sender): void {
    if (sender.listener !== undefined) return
    const { remote, hops } = sender.open
    const family = familyOfAddress(remote)
    const key = `${family} ${hops}`
    let listener = this.#listeners.get(key)
    if (listener === undefined) {
      listener = this.#openListener(family, hops)
      this.#listeners.set(key, listener)
    }
    sender.listener = listener
    this.#admit(listener, remote, 1)
  }

  #openListener(family: Family, hops: Hops): Listener {
    const fd = openSocket(family, SOCK_DGRAM)
    try {
      if (family === 'ipv6') setOption(fd, LEVEL.ipv6, IPV6_V6ONLY, 1)
      attachFilter(fd, makeFilter({ family, oneHop: hops === 'single', senders: undefined }))
      setReceiveBuffer(fd, RECEIVE_BUFFER)
      askForInfo(fd, family)
      bindSocket(fd, { address: ANY[family], port: PORT[hops] })
    } catch (error) {
      closeSocket(fd)
      throw new Error(`cannot listen on UDP port ${PORT[hops]}: ${errorText(error)}`)
    }
    return {
      fd,
      family,
      hops,
      neighbors: new Map(),
      dropped: 0,
      strangers: 0,
      countedSince: this.#now(),
      floodUntil: undefined,
    }
  }

  #endListener(listener: Listener): void {
    this.#countDropped(listener)
    closeSocket(listener.fd)
    for (const [key, one] of this.#listeners) if (one === listener) this.#listeners.delete(key)
  }

  #readFrom(listener: Listener): boolean {
    for (let taken = 0; taken < AT_ONCE; taken++) {
      const datagram = receiveDatagram(listener.fd, listener.family, LONGEST)
      if (datagram === undefined) return false
      this.#hand(listener, datagram)
    }
    return true
  }

  #hand(listener: Listener, { bytes, from, index, ttl }: Datagram): void {
    if (!listener.neighbors.has(from)) this.#countStranger(listener)
    this.#feed({ kind: 'packet', bytes, from, interface: this.#nameOf(listener.fd, index), hops: listener.hops, ttl })
  }

  #nameOf(fd: number, index: number): string | undefined {
    const now = this.#now()
    if (now - this.#namesSince > NAMES_LAST) {
      this.#names.clear()
      this.#namesSince = now
    }
    const known = this.#names.get(index)
    if (known !== undefined) return known
    const name = index === 0 ? '' : interfaceName(fd, index)
    if (name === '') return undefined
    this.#names.set(index, name)
    return name
  }

  #admit(listener: Listener, remote: Address, change: 1 | -1): void {
    const address = remote.split('%')[0] as Address
    const count = (listener.neighbors.get(address) ?? 0) + change
    if (count > 0) listener.neighbors.set(address, count)
    else listener.neighbors.delete(address)
    const isNewOrGone = count === (change === 1 ? 1 : 0)
    // The filter knows the neighbors of its time. If the flood goes on, another one is made.
    if (listener.floodUntil !== undefined && isNewOrGone) this.#endFlood(listener)
  }

  // ---- floods

  #countStranger(listener: Listener): void {
    const now = this.#now()
    if (now - listener.countedSince > SECOND) {
      listener.strangers = 0
      listener.countedSince = now
    }
    if (++listener.strangers <= FLOOD || listener.floodUntil !== undefined) return
    this.#countDropped(listener)
    listener.floodUntil = now + FLOOD_PAUSE
    this.#filter(listener, [...listener.neighbors.keys()])
  }

  #endFlood(listener: Listener): void {
    this.#countDropped(listener)
    listener.floodUntil = undefined
    listener.strangers = 0
    this.#filter(listener, undefined)
  }

  #filter({ fd, family, hops }: Listener, senders: readonly Address[] | undefined): void {
    attachFitting(fd, (most) => makeFilter({ family, oneHop: hops === 'single', senders, most }))
  }

  /**
   * The counter does not say why: in a flood it also has packets that crossed a router, and at any time those for which the
   * receive buffer had no room.
   */
  #countDropped(listener: Listener): void {
    const dropped = droppedBy(listener.fd)
    const count = dropped - listener.dropped
    listener.dropped = dropped
    const reason = listener.floodUntil === undefined && listener.hops === 'single' ? 'ttl' : 'flood'
    if (count > 0) this.#feed({ kind: 'filtered', reason, count })
  }

  #note(sender: Sender, text: string | undefined, portTaken: boolean): void {
    if (sender.error === text && !portTaken) return
    sender.error = text
    this.#feed({ kind: 'socket-error', session: sender.open.session, text, portTaken })
  }
}

function closeSender(sender: Sender): void {
  if (sender.fd !== undefined) closeSocket(sender.fd)
  sender.fd = undefined
}

function openSender({ remote, local, hops, port, device }: Open): number {
  const family = familyOfAddress(remote)
  const fd = openSocket(family, SOCK_DGRAM)
  try {
    setOption(fd, LEVEL[family], HOPS_OPTION[family], TTL)
    setNetworkControl(fd, family === 'ipv6')
    // RFC 5881 §2: a single hop is one link; packets must not be routed.
    if (hops === 'single') setOption(fd, SOL_SOCKET, SO_DONTROUTE, 1)
    if (device !== undefined) bindToInterface(fd, device)
    bindSocket(fd, { address: local ?? ANY[family], port })
    return fd
  } catch (error) {
    closeSocket(fd)
    throw error
  }
}
