/**
 * A neighbor of the agent of a `Town`: it calls, advertises its routes, answers refreshes, calls again when its session has
 * ended, and holds what it is told. It never changes what it says by itself.
 */
import { AFI, FAMILIES, type Family } from '../../src/base/family.ts'
import type { Session } from '../../src/bgp/session/types.ts'
import { KEEPALIVE } from '../../src/bgp/wire/keepalive.ts'
import type { Capability } from '../../src/bgp/wire/message.ts'
import { encodeOpen } from '../../src/bgp/wire/open.ts'
import { encodeRouteRefresh, REFRESH } from '../../src/bgp/wire/route-refresh.ts'
import type { Effect } from '../../src/engine/effect.ts'
import type { Input } from '../../src/engine/input.ts'
import { announcement, attributes, Listener } from './rib.ts'

export interface SpeakerOptions {
  readonly name: string
  readonly address: string
  /** Which address of ours it calls. */
  readonly calls: string
  readonly asn: number
  readonly routerId: number
  /** What it says in its OPEN beside the families, route refresh and its AS number. */
  readonly capabilities?: readonly Capability[]
  /** Groups of prefixes, each with what it says of them. */
  readonly routes: readonly {
    readonly prefixes: readonly string[]
    readonly attributes: Parameters<typeof attributes>[0]
    readonly nextHop: string
  }[]
}

interface Agreed extends Pick<Session, 'peerType' | 'send'> {
  /** Families that it sends with path identifiers. */
  readonly receives: readonly Family[]
}

export interface Street {
  readonly feed: (input: Input) => void
  readonly later: (work: () => void) => void
  /** What the agent has agreed on over a connection; undefined: no session. */
  readonly agreed: (conn: number) => Agreed | undefined
}

const TYPE = { open: 1, update: 2, notification: 3, keepalive: 4, refresh: 5 } as const

let connections = 1

export class Speaker {
  readonly options: SpeakerOptions
  readonly #street: Street
  conn: number | undefined
  #state: 'down' | 'opening' | 'up' = 'down'
  #listener: Listener | undefined
  /** It does not call. */
  away = false
  /** Sessions that the agent has ended. */
  resets = 0
  /** Sessions that came up. */
  sessions = 0

  constructor(options: SpeakerOptions, street: Street) {
    this.options = options
    this.#street = street
  }

  get isUp(): boolean {
    return this.#state === 'up'
  }

  /** What it holds of what it was told; empty without a session. */
  get told(): ReadonlyMap<string, string> {
    return this.#listener?.routes ?? new Map()
  }

  /** Prefixes that it was told anything of since `forget`, and of those the ones that were withdrawn. */
  get touched(): ReadonlySet<string> {
    return this.#listener?.touched ?? new Set()
  }

  get withdrawn(): ReadonlySet<string> {
    return this.#listener?.withdrawn ?? new Set()
  }

  forget(): void {
    this.#listener?.touched.clear()
    this.#listener?.withdrawn.clear()
  }

  call(): void {
    if (this.conn !== undefined || this.away) return
    this.conn = connections
    connections += 2
    this.#state = 'opening'
    const { address, calls } = this.options
    const [local, remote] = [
      { address: calls, port: 179 },
      { address, port: 50_000 },
    ]
    this.#say(this.#open())
    this.#street.feed({ kind: 'accepted', conn: this.conn, local, remote })
  }

  keepAlive(): void {
    if (this.#state === 'up') this.#say(KEEPALIVE)
  }

  /** Its machine is gone: the agent hears that the connection is closed. */
  hangUp(): void {
    const { conn } = this
    this.#lose()
    if (conn !== undefined) this.#street.feed({ kind: 'closed', conn, reason: undefined })
  }

  hear(effect: Extract<Effect, { kind: 'send' | 'close' | 'refuse' }>): void {
    if (effect.kind !== 'send') {
      if (this.#state === 'up') this.resets++
      this.#lose()
      return
    }
    const { conn, bytes } = effect
    this.#street.later(() => this.#street.feed({ kind: 'drained', conn }))
    for (let at = 0; at < bytes.length; ) {
      const end = at + (((bytes[at + 16] as number) << 8) | (bytes[at + 17] as number))
      this.#take(bytes.subarray(at, end))
      at = end
    }
  }

  #lose(): void {
    this.conn = undefined
    this.#state = 'down'
    this.#listener = undefined
  }

  #take(message: Uint8Array): void {
    const type = message[18]
    if (type === TYPE.open) this.#say(KEEPALIVE)
    else if (type === TYPE.keepalive && this.#state === 'opening') this.#begin()
    else if (type === TYPE.refresh) this.#answer(message)
    else if (type === TYPE.update) this.#listen(message)
  }

  #listen(message: Uint8Array): void {
    this.#listener ??= this.#newListener()
    this.#listener.take(message)
  }

  #begin(): void {
    this.#state = 'up'
    this.sessions++
    for (const family of FAMILIES) this.#sayRoutes(family)
  }

  #newListener(): Listener {
    const agreed = this.conn === undefined ? undefined : this.#street.agreed(this.conn)
    if (agreed === undefined) throw new Error(`${this.options.name} hears an UPDATE without a session`)
    return new Listener(agreed)
  }

  #answer(message: Uint8Array): void {
    const family = FAMILIES.find((one) => AFI[one] === (((message[19] as number) << 8) | (message[20] as number)))
    if (family === undefined || message[21] !== REFRESH.request) return
    const isEnhanced = this.options.capabilities?.some(({ kind }) => kind === 'enhanced-refresh') === true
    if (isEnhanced) this.#say(encodeRouteRefresh(family, REFRESH.begin))
    this.#sayRoutes(family)
    if (isEnhanced) this.#say(encodeRouteRefresh(family, REFRESH.end))
  }

  #sayRoutes(family: Family): void {
    for (const { prefixes, attributes: said, nextHop } of this.options.routes) {
      const own = prefixes.filter((prefix) => prefix.includes(':') === (family === 'ipv6'))
      if (own.length > 0) this.#say(() => announcement(own, attributes(said), nextHop, this.#pathId(family)))
    }
    this.#say(endOfRib(family))
  }

  /** Where add-path was agreed on, each path has a number. */
  #pathId(family: Family): number | undefined {
    const agreed = this.conn === undefined ? undefined : this.#street.agreed(this.conn)
    return agreed?.receives.includes(family) === true ? 1 : undefined
  }

  #say(message: Uint8Array | (() => Uint8Array)): void {
    const { conn } = this
    this.#street.later(() => {
      if (conn === undefined || this.conn !== conn) return
      const bytes = typeof message === 'function' ? message() : message
      this.#street.feed({ kind: 'received', conn, bytes: bytes.slice() })
    })
  }

  #open(): Uint8Array {
    const { asn, routerId, capabilities = [] } = this.options
    return encodeOpen({
      kind: 'open',
      version: 4,
      myAs: asn,
      holdTime: 90,
      routerId,
      capabilities: [
        ...FAMILIES.map((family) => ({ kind: 'multiprotocol', afi: AFI[family], safi: 1 }) as const),
        { kind: 'route-refresh' },
        { kind: 'four-octet-as', asn },
        ...capabilities,
      ],
    })
  }
}

/** RFC 4724 §2. */
function endOfRib(family: Family): Uint8Array {
  const attribute = family === 'ipv4' ? [] : [0x80, 15, 3, 0, 2, 1]
  const bytes = new Uint8Array(23 + attribute.length).fill(0xff, 0, 16)
  bytes.set([0, bytes.length, TYPE.update, 0, 0, 0, attribute.length, ...attribute], 16)
  return bytes
}
