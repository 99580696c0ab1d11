/**
 * BFD on real sockets, run inside a network namespace: one line of JSON in for everything it shall do, one out for all
 * news of a turn. Tests steer it (test/contract/bfd-linux.test.ts).
 */
import { createInterface } from 'node:readline'
import type { BfdInput } from '../../src/bfd/types.ts'
import { bindSocket, openSocket, sendTo, setOption } from '../../src/edge/libc.ts'
import { startBfdThread } from '../../src/edge/net/bfd-thread.ts'

/** Datagrams from a socket of no session: `count` times these octets, with this TTL. */
export interface Throw {
  readonly kind: 'throw'
  readonly hex: string
  readonly to: string
  readonly from: string
  readonly port: number
  readonly ttl: number
  readonly count: number
}

/** Keeps the main thread busy, as an agent with a full table is. */
export interface Block {
  readonly kind: 'block'
  readonly millis: number
}

const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`)
const thread = startBfdThread(false)(say, (reason) => say([{ kind: 'ended', reason }]))

function throwPackets({ hex, to, from, port, ttl, count }: Throw): void {
  const isIpv6 = to.includes(':')
  const fd = openSocket(isIpv6 ? 'ipv6' : 'ipv4', 2)
  setOption(fd, isIpv6 ? 41 : 0, isIpv6 ? 16 : 2, ttl)
  bindSocket(fd, { address: from, port: 0 })
  const bytes = Uint8Array.from(Buffer.from(hex, 'hex'))
  for (let sent = 0; sent < count; sent++) {
    try {
      sendTo(fd, bytes, to, port)
    } catch {
      // A full queue on the way out: the flood is no smaller for it.
    }
  }
}

function block(millis: number): void {
  const until = performance.now() + millis
  while (performance.now() < until);
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const order = JSON.parse(line) as BfdInput | Throw | Block
    if (order.kind === 'throw') throwPackets(order)
    else if (order.kind === 'block') block(order.millis)
    else thread.post(order)
  })
  .on('close', () => void thread.stop())
say([])
