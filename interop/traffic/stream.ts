// One end of the streams, in a host of its own: node stream.ts JSON. Sends numbered datagrams at a steady rate and swallows what
// comes (tcpdump counts it: see streams.ts). `halt` on stdin ends the sending and says how many there were.

import { createSocket, type Socket } from 'node:dgram'
import { createInterface } from 'node:readline'

export interface StreamPlan {
  /** Datagrams a second, of each flow. */
  readonly rate: number
  readonly send: readonly {
    readonly flow: string
    readonly address: string
    readonly port: number
    readonly sockets: number
  }[]
  readonly receive: readonly number[]
}

/** How many, by flow. */
export type StreamReport = Readonly<Record<string, number>>

/** Milliseconds between two looks at the clock. */
const TICK = 5
const open = (port: number, family: 'udp4' | 'udp6'): Promise<Socket> =>
  new Promise((resolve) => {
    const socket = createSocket({
      type: family,
      ...(family === 'udp6' && { ipv6Only: false }),
    })
    socket.on('error', () => {})
    socket.bind(port, () => resolve(socket))
  })

const run = async ({ rate, send, receive }: StreamPlan): Promise<void> => {
  // Somebody must listen, or the sender is told that nobody does.
  for (const port of receive) await open(port, 'udp6')
  const flows = await Promise.all(
    send.map(async ({ flow, address, port, sockets }) => ({
      flow,
      address,
      port,
      sent: 0,
      sockets: await Promise.all(
        Array.from({ length: sockets }, () => open(0, address.includes(':') ? 'udp6' : 'udp4')),
      ),
    })),
  )
  const started = performance.now()
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - started) * rate) / 1_000)
    for (const flow of flows) {
      for (; flow.sent < due; flow.sent++) {
        const message = Buffer.alloc(64)
        message.writeUInt32BE(flow.sent, 0)
        flow.sockets[flow.sent % flow.sockets.length]?.send(message, flow.port, flow.address, () => {})
      }
    }
  }, TICK)
  createInterface(process.stdin).on('line', (word) => {
    if (word !== 'halt') return
    clearInterval(timer)
    console.log(JSON.stringify(Object.fromEntries(flows.map(({ flow, sent }) => [flow, sent])) satisfies StreamReport))
  })
  process.stdin.on('end', () => process.exit())
  console.log('ready')
}

await run(JSON.parse(process.argv[2] ?? '{}') as StreamPlan)
