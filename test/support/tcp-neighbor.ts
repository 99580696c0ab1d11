/** A neighbor on loopback, dialled by an agent that is a process: opens sessions, keeps what it hears, says what a test says. */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { vi } from 'vitest'
import { Framer } from '../../src/bgp/wire/framer.ts'
import { KEEPALIVE } from '../../src/bgp/wire/keepalive.ts'
import type { Capability, MessageType, Open } from '../../src/bgp/wire/message.ts'
import { MESSAGE_TYPE } from '../../src/bgp/wire/message.ts'
import { decodeOpen, encodeOpen } from '../../src/bgp/wire/open.ts'
import { listenAt, openSocket } from '../../src/edge/libc.ts'
import { hostOf } from '../../src/edge/net/protection.ts'
import { signConnection } from '../../src/edge/net/signing.ts'
import { UPDATE as END_OF_RIB } from './lone-peer.ts'

const ASN = 65_001
/** Where agents call from. */
const AGENT = '127.0.0.1'
/** Short, so that KEEPALIVEs are often. */
const HOLD = 3
const CAPABILITIES: readonly Capability[] = [
  { kind: 'multiprotocol', afi: 1, safi: 1 },
  { kind: 'four-octet-as', asn: ASN },
  {
    kind: 'graceful-restart',
    restarted: false,
    notification: false,
    restartTime: 120,
    families: [{ afi: 1, safi: 1, preserved: true }],
  },
]

/** One connection. */
export interface Heard {
  readonly socket: Socket
  open: Open | undefined
  readonly types: number[]
  readonly updates: Buffer[]
  ended: boolean
}

export class TcpNeighbor {
  static readonly asn = ASN
  readonly address: string
  readonly calls: Heard[] = []
  readonly #server: Server
  readonly #fd: number

  private constructor(address: string) {
    this.address = address
    this.#fd = openSocket('ipv4')
    this.#server = createServer((socket) => this.#take(socket))
  }

  /** With a key it answers only to an agent that has the same. */
  static async listen(address = '127.0.0.2', key?: string): Promise<TcpNeighbor> {
    const neighbor = new TcpNeighbor(address)
    if (key !== undefined) neighbor.takeKey(key)
    listenAt(neighbor.#fd, { address, port: 0 }, 16)
    neighbor.#server.listen({ fd: neighbor.#fd })
    await once(neighbor.#server, 'listening')
    return neighbor
  }

  /** For sessions to come. */
  takeKey(key: string): void {
    const signature = { kind: 'md5', name: 'key', bytes: Buffer.from(key) } as const
    signConnection({ fd: this.#fd, isIpv6: false }, hostOf(AGENT), signature, undefined)
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('nobody listens')
    return address.port
  }

  close(): void {
    for (const { socket } of this.calls) socket.destroy()
    this.#server.close()
  }

  /** The connection number `index`, once it is a session and its first feed is over. */
  session(index: number): Promise<Heard> {
    return vi.waitFor(
      () => {
        const call = this.calls[index]
        if (call === undefined || !call.types.includes(MESSAGE_TYPE.update)) throw new Error('no session yet')
        return call
      },
      { timeout: 25_000, interval: 20 },
    )
  }

  /** It has heard so many of a kind. */
  heard(call: Heard, type: MessageType, count: number): Promise<void> {
    return vi.waitFor(
      () => {
        const found = call.types.filter((one) => one === MESSAGE_TYPE[type]).length
        if (found < count) throw new Error(`${found} of ${type}`)
      },
      { timeout: 25_000, interval: 20 },
    )
  }

  end(call: Heard): Promise<void> {
    return vi.waitFor(
      () => {
        if (!call.ended) throw new Error('the connection stands')
      },
      { timeout: 25_000, interval: 20 },
    )
  }

  #take(socket: Socket): void {
    const call: Heard = { socket, open: undefined, types: [], updates: [], ended: false }
    this.calls.push(call)
    const framer = new Framer()
    const keepalives = setInterval(() => socket.write(KEEPALIVE), (HOLD * 1000) / 3)
    socket.on('error', () => {})
    socket.on('close', () => {
      clearInterval(keepalives)
      call.ended = true
    })
    socket.on('data', (chunk: Buffer) => {
      framer.push(new Uint8Array(chunk))
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
        if (!('type' in frame)) throw new Error('no message')
        call.types.push(frame.type)
        if (frame.type === MESSAGE_TYPE.update)
          call.updates.push(Buffer.from(frame.bytes.slice(frame.start, frame.end)))
        if (frame.type !== MESSAGE_TYPE.open) continue
        const open = decodeOpen(frame)
        if ('version' in open) call.open = open
        socket.write(
          encodeOpen({
            kind: 'open',
            version: 4,
            myAs: ASN,
            holdTime: HOLD,
            routerId: 0x7f000002,
            capabilities: CAPABILITIES,
          }),
        )
        socket.write(KEEPALIVE)
        socket.write(END_OF_RIB)
      }
    })
  }
}
