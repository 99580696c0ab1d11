/**
 * Two neighbors joined in memory. Every connection has a channel per direction; what is in a channel arrives in order,
 * but which channel goes next, and in how many pieces, is up to chance. Time moves only when nothing is under way.
 */
import { Chance } from '../../src/base/chance.ts'
import { Peer } from '../../src/bgp/session/peer.ts'
import type { ConnId, PeerAction, PeerConfig, PeerEvent } from '../../src/bgp/session/types.ts'

export const config = (over: Partial<PeerConfig> = {}): PeerConfig => ({
  name: 'Node_192_0_2_2',
  remote: { address: '192.0.2.2', port: 179 },
  localAddress: undefined,
  localAs: 64512,
  remoteAs: 64513,
  routerId: 0xc0000201,
  families: ['ipv4', 'ipv6'],
  holdTime: 90,
  keepaliveTime: undefined,
  connectRetryTime: 1,
  passive: false,
  dialDelay: 0,
  hostName: 'one',
  ...over,
})

export const otherConfig = (over: Partial<PeerConfig> = {}): PeerConfig =>
  config({
    name: 'Node_192_0_2_1',
    remote: { address: '192.0.2.1', port: 179 },
    localAs: 64513,
    remoteAs: 64512,
    routerId: 0xc0000202,
    hostName: 'two',
    ...over,
  })

type Item = Extract<PeerEvent, { readonly kind: 'connected' | 'received' | 'closed' }>

interface Channel {
  readonly to: Side
  readonly conn: ConnId
  readonly items: Item[]
  /** The receiver has closed: nothing arrives any more. */
  dead: boolean
}

export interface Side {
  readonly peer: Peer
  readonly actions: PeerAction[]
  /** By our name of the connection: what we read from, and what the other one does. */
  readonly channels: Map<ConnId, { readonly inbound: Channel; readonly outbound: Channel }>
  other: Side
  accepted: number
}

export class WirePair {
  readonly one: Side
  readonly two: Side
  now = 0
  /** Whether dialling succeeds. */
  reachable = true
  readonly #chance: Chance
  readonly #channels: Channel[] = []
  readonly #failed: { readonly side: Side; readonly conn: ConnId }[] = []

  constructor(one: PeerConfig, two: PeerConfig, seed = 1) {
    this.#chance = new Chance(seed)
    this.one = newSide(one, seed + 1)
    this.two = newSide(two, seed + 2)
    this.one.other = this.two
    this.two.other = this.one
  }

  hand(side: Side, event: PeerEvent): readonly PeerAction[] {
    const actions = side.peer.handle(event, this.now)
    for (const action of actions) this.#carryOut(side, action)
    side.actions.push(...actions)
    return actions
  }

  start(): this {
    this.hand(this.one, { kind: 'start' })
    this.hand(this.two, { kind: 'start' })
    return this
  }

  /** Delivers one piece of something; false when nothing is under way. */
  deliver(): boolean {
    const failed = this.#failed.shift()
    if (failed !== undefined) {
      this.hand(failed.side, { kind: 'dial-failed', conn: failed.conn, reason: 'Connection refused' })
      return true
    }
    const ready = this.#channels.filter(({ items, dead }) => !dead && items.length > 0)
    const channel = ready[Math.floor(this.#chance.next() * ready.length)]
    const item = channel?.items.shift()
    if (channel === undefined || item === undefined) return false
    this.hand(channel.to, item.kind === 'received' ? this.#piece(channel, item) : item)
    return true
  }

  /** All that is under way arrives; time stands. */
  settle(): this {
    for (let turns = 0; this.deliver(); turns++) if (turns > 10_000) throw new Error('the two never come to rest')
    return this
  }

  /** Lets `span` milliseconds pass, with all that falls due. */
  pass(span: number): this {
    const end = this.now + span
    for (this.settle(); this.#tick(end); this.settle());
    this.now = end
    return this
  }

  #tick(end: number): boolean {
    const due = [this.one, this.two]
      .map((side) => ({ side, at: side.peer.deadline() ?? Number.POSITIVE_INFINITY }))
      .sort((a, b) => a.at - b.at)[0]
    if (due === undefined || due.at > end) return false
    this.now = Math.max(this.now, due.at)
    this.hand(due.side, { kind: 'timer' })
    return true
  }

  /** The connection breaks under both without a word. */
  cut(reason: string): void {
    for (const channel of this.#channels) {
      if (channel.dead) continue
      channel.items.length = 0
      channel.items.push({ kind: 'closed', conn: channel.conn, reason })
    }
  }

  /** Nothing of what is said arrives from now on; nobody is told. */
  silence(): void {
    for (const channel of this.#channels) channel.dead = true
  }

  #piece(channel: Channel, item: Extract<Item, { kind: 'received' }>): Item {
    const most = item.bytes.length
    const count = this.#chance.next() < 0.5 ? most : 1 + Math.floor(this.#chance.next() * most)
    if (count < most) channel.items.unshift({ ...item, bytes: item.bytes.subarray(count) })
    return { ...item, bytes: item.bytes.slice(0, count) }
  }

  #carryOut(side: Side, action: PeerAction): void {
    if (action.kind === 'dial') this.#dial(side, action.conn)
    if (action.kind === 'send') {
      const outbound = side.channels.get(action.conn)?.outbound
      outbound?.items.push({ kind: 'received', conn: outbound.conn, bytes: action.bytes })
    }
    if (action.kind === 'close') {
      const ends = side.channels.get(action.conn)
      if (ends === undefined) return
      ends.inbound.dead = true
      ends.outbound.items.push({ kind: 'closed', conn: ends.outbound.conn, reason: undefined })
    }
  }

  /** TCP shakes hands in the kernel: either side may hear of it first. */
  #dial(side: Side, conn: ConnId): void {
    if (!this.reachable) {
      this.#failed.push({ side, conn })
      return
    }
    const there = side.other.accepted * 2 + 1
    side.other.accepted++
    const outbound: Channel = { to: side.other, conn: there, items: [], dead: false }
    const inbound: Channel = { to: side, conn, items: [], dead: false }
    side.channels.set(conn, { inbound, outbound })
    side.other.channels.set(there, { inbound: outbound, outbound: inbound })
    this.#channels.push(inbound, outbound)
    const local = { address: side === this.one ? '192.0.2.1' : '192.0.2.2', port: 40_000 + conn }
    const remote = { address: side === this.one ? '192.0.2.2' : '192.0.2.1', port: 179 }
    inbound.items.push({ kind: 'connected', conn, dialled: true, local, remote })
    outbound.items.push({ kind: 'connected', conn: there, dialled: false, local: remote, remote: local })
  }
}

function newSide(config: PeerConfig, seed: number): Side {
  let next = 0
  const nextConn = () => {
    next += 2
    return next
  }
  const side = {
    peer: new Peer(config, new Chance(seed), nextConn, 0),
    actions: [],
    channels: new Map(),
    accepted: 0,
  }
  return Object.assign(side, { other: side as unknown as Side })
}

/** The actions of one kind. */
export const only = <Kind extends PeerAction['kind']>(
  actions: readonly PeerAction[],
  kind: Kind,
): readonly Extract<PeerAction, { readonly kind: Kind }>[] =>
  actions.filter((action): action is Extract<PeerAction, { readonly kind: Kind }> => action.kind === kind)
