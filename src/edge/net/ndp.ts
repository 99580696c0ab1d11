/**
 * Router discovery on the links of unnumbered neighbors: sends our router advertisements, and reports the routers that
 * advertise themselves (RFC 4861 §6.2, §6.1.2).
 *
 * In: the Effect `discover`. Out: the Inputs `link`, once for every interface and whenever its state changes, and
 * `router`, for every advertisement received.
 */
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { type Address, isLinkLocal } from '../../base/address.ts'
import type { Millis } from '../../base/units.ts'
import type { Effect } from '../../engine/effect.ts'
import type { Input } from '../../engine/input.ts'
import { decodeNdp, encodeAdvertisement, encodeSolicitation } from '../../ndp/packet.ts'
import { ALL_NODES, ALL_ROUTERS, type NdpSocket, openNdpSocket } from './ndp-socket.ts'

export type DiscoverEffect = Extract<Effect, { readonly kind: 'discover' }>

export interface NdpOptions {
  readonly feed: (input: Input) => void
  readonly open?: typeof openNdpSocket
  /** Interfaces that are up and have a link-local address, by name. */
  readonly ports?: () => ReadonlyMap<string, Port>
}

/** How often interfaces are checked, and whether an advertisement is due. */
const LOOK: Millis = 1_000
/** RFC 4861 §6.2.4: the first advertisements come close together, so that a neighbor need not wait. */
const FIRST_TIMES = 3
const FIRST_INTERVAL: Millis = 3_000
/** The interval of later advertisements, drawn anew each time; FRR's is ten seconds. */
const INTERVAL: readonly [Millis, Millis] = [8_000, 10_000]
/** The least time between two replies on one link that go to their router alone. */
const ANSWER_PAUSE: Millis = 300
/** RFC 4861 §6.2.6: the least time between two advertisements to all nodes, and the longest delay of one that answers. */
const ALL_NODES_PAUSE: Millis = 3_000
const ANSWER_DELAY: Millis = 500

export interface Port {
  readonly index: number
  readonly address: Address
  readonly linkLayer: Uint8Array
}

/** One interface that the engine wants routers discovered on. */
interface WantedLink {
  /** What was reported to the engine; undefined: nothing yet. */
  reported: { readonly error: string | undefined } | undefined
  /** Undefined while the interface cannot send. */
  port: Port | undefined
  /** Periodic advertisements sent since the link came up. */
  sent: number
  /** When the next of them is due. */
  nextAt: Millis
  /** When the last solicitation or new router was answered by a packet to it alone. */
  answeredAt: Millis
  /** When the last advertisement went to all nodes. */
  toAllAt: Millis
  /** An answer to all nodes waits for its time. */
  isAnswerAhead: boolean
  /** Routers that have advertised themselves: at most `MOST_HEARD`. */
  readonly heard: Set<Address>
}

export class Ndp {
  readonly #feed: (input: Input) => void
  readonly #open: typeof openNdpSocket
  readonly #ports: () => ReadonlyMap<string, Port>
  readonly #links = new Map<string, WantedLink>()
  #socket: NdpSocket | undefined
  #opening: Promise<void> | undefined
  /** Why there is no socket; undefined: there is one. */
  #error: string | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor({ feed, open = openNdpSocket, ports = readPorts }: NdpOptions) {
    this.#feed = feed
    this.#open = open
    this.#ports = ports
  }

  perform({ interfaces }: DiscoverEffect): void {
    if (this.#stopped) return
    for (const name of this.#links.keys()) if (!interfaces.includes(name)) this.#links.delete(name)
    for (const name of interfaces) if (!this.#links.has(name)) this.#links.set(name, newLink())
    if (this.#links.size === 0) {
      this.#close()
      return
    }
    this.#timer ??= setInterval(() => this.#look(), LOOK)
    this.#look()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#opening
    this.#close()
  }

  /** A refusal may be of the moment (EMFILE, ENOBUFS): each look tries again. */
  #look(): void {
    if (this.#socket !== undefined) this.#lookAtLinks()
    else
      this.#opening ??= this.#openSocket().finally(() => {
        this.#opening = undefined
      })
  }

  async #openSocket(): Promise<void> {
    try {
      this.#socket = await this.#open((bytes, from, index) => this.#received(bytes, from, index))
      this.#error = undefined
    } catch (error) {
      this.#error = error instanceof Error ? error.message : String(error)
    }
    if (this.#stopped || this.#links.size === 0) {
      this.#close()
      return
    }
    // Links that came up while there was no socket.
    for (const { port } of this.#links.values()) if (port !== undefined) this.#socket?.join(port.index)
    this.#lookAtLinks()
  }

  #close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#socket?.close()
    this.#socket = undefined
  }

  /** Reports links whose state has changed to the engine, and advertises us on those where that is due. */
  #lookAtLinks(): void {
    const ports = this.#ports()
    const now = performance.now()
    for (const [name, link] of this.#links) {
      const port = ports.get(name)
      if (port?.index !== link.port?.index || port?.address !== link.port?.address) this.#enter(link, port)
      const error = this.#error ?? (port === undefined ? whyNoPort(name) : undefined)
      if (link.reported === undefined || link.reported.error !== error) {
        link.reported = { error }
        this.#feed({ kind: 'link', interface: name, error })
      }
      if (error === undefined) this.#advertiseIfDue(link, now)
    }
  }

  /** A link that is new, came back, or has another address of ours: everything begins anew there. */
  #enter(link: WantedLink, port: Port | undefined): void {
    const { reported, toAllAt, isAnswerAhead } = link
    Object.assign(link, newLink(), { port, reported, toAllAt, isAnswerAhead })
    if (port !== undefined) this.#socket?.join(port.index)
  }

  #advertiseIfDue(link: WantedLink, now: Millis): void {
    if (now >= link.nextAt && now >= link.toAllAt + ALL_NODES_PAUSE) this.#advertise(link, now)
  }

  /** A refused send is retried at the next time: an address that is still tentative cannot send (RFC 4862 §5.4). */
  #advertise(link: WantedLink, now: Millis): void {
    const { port } = link
    if (port === undefined || this.#socket === undefined) return
    if (link.heard.size === 0) this.#socket.send(encodeSolicitation(port.linkLayer), ALL_ROUTERS, port.index)
    const refused = this.#socket.send(encodeAdvertisement(port.linkLayer), ALL_NODES, port.index)
    if (refused !== undefined) return
    link.toAllAt = now
    link.sent++
    const [least, most] = INTERVAL
    link.nextAt = now + (link.sent < FIRST_TIMES ? FIRST_INTERVAL : least + Math.random() * (most - least))
  }

  #received(bytes: Uint8Array, from: Address, index: number): void {
    const [name, link] = [...this.#links].find(([, one]) => one.port?.index === index) ?? []
    const message = decodeNdp(bytes)
    if (name === undefined || link === undefined || message === undefined || from === link.port?.address) return
    if (message.kind === 'solicitation') {
      if (isLinkLocal(from)) this.#answer(link, from)
      else this.#answerAll(link)
      return
    }
    // RFC 4861 §6.1.2: an advertisement from another address than a link-local one is discarded.
    if (!isLinkLocal(from)) return
    const isNew = !link.heard.has(from)
    if (isNew && link.heard.size < MOST_HEARD) link.heard.add(from)
    // A router that has just started gets a reply at once.
    if (isNew) this.#answer(link, from)
    this.#feed({ kind: 'router', interface: name, address: `${from}%${name}` })
  }

  /** Who asks without an address is answered by the next advertisement to all nodes, which comes sooner for it. */
  #answerAll(link: WantedLink): void {
    if (link.isAnswerAhead) return
    link.isAnswerAhead = true
    const now = performance.now()
    // Timers count whole milliseconds and may fire one too soon: the answer would then come with the next look, a second late.
    const wait = Math.ceil(Math.max(Math.random() * ANSWER_DELAY, link.toAllAt + ALL_NODES_PAUSE - now))
    const at = now + wait
    link.nextAt = Math.min(link.nextAt, at)
    setTimeout(() => {
      link.isAnswerAhead = false
      if ([...this.#links.values()].includes(link)) this.#advertiseIfDue(link, performance.now())
    }, wait + 1).unref()
  }

  #answer(link: WantedLink, to: Address): void {
    const now = performance.now()
    if (link.port === undefined || now - link.answeredAt < ANSWER_PAUSE) return
    link.answeredAt = now
    this.#socket?.send(encodeAdvertisement(link.port.linkLayer), to, link.port.index)
  }
}

/**
 * Routers remembered for each link. When there are more, every advertisement of a further one counts as its first, and
 * `ANSWER_PAUSE` alone bounds our replies.
 */
const MOST_HEARD = 64

const newLink = (): WantedLink => ({
  reported: undefined,
  port: undefined,
  sent: 0,
  nextAt: 0,
  answeredAt: Number.NEGATIVE_INFINITY,
  toAllAt: Number.NEGATIVE_INFINITY,
  isAnswerAhead: false,
  heard: new Set(),
})

function readPorts(): Map<string, Port> {
  const ports = new Map<string, Port>()
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    const own = addresses.find(({ family, address }) => family === 'IPv6' && isLinkLocal(address))
    if (own?.scopeid === undefined) continue
    const linkLayer = Uint8Array.from(own.mac.split(':'), (octet) => Number.parseInt(octet, 16))
    ports.set(name, { index: own.scopeid, address: own.address, linkLayer })
  }
  return ports
}

/** Undefined: there is no such interface, or it goes while it is read (ENOENT, or EINVAL of a device in removal). */
function operstateOf(name: string): string | undefined {
  try {
    return readFileSync(`/sys/class/net/${name}/operstate`, 'utf8').trim()
  } catch {
    return undefined
  }
}

function whyNoPort(name: string): string {
  const state = operstateOf(name)
  if (state === undefined) return `there is no interface ${name}`
  return state === 'up' || state === 'unknown' ? `${name} has no link-local address` : `${name} is down`
}
