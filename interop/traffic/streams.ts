// Streams between hosts, and what became of them: how many datagrams were lost, and from the first to the last of these.

import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Family, Host } from '../lab/lab.ts'
import type { Daemon } from '../lab/run.ts'
import { eventually } from '../lab/wait.ts'
import type { StreamPlan, StreamReport } from './stream.ts'

const STREAM = fileURLToPath(new URL('stream.ts', import.meta.url))
const RATE = 1_000
const FIRST_PORT = 20_000
/** What is under way when the sending ends gets this long to arrive. */
const TAIL = 1_000

export interface Flow {
  readonly name: string
  readonly family: Family
  readonly from: Host
  readonly to: string
  /** Several where the address is that of several. */
  readonly at: readonly Host[]
  /** So many source ports share it. */
  readonly sockets?: number
}

export interface Loss {
  readonly sent: number
  readonly lost: number
  /** Milliseconds from the first datagram lost to the last, by the rate they were sent at. */
  readonly dark: number
}

class End {
  private readonly child: ReturnType<typeof spawn>
  private readonly lines: AsyncIterator<string>

  constructor(host: Host, plan: StreamPlan) {
    const [program = '', ...words] = host.inside([process.execPath, STREAM, JSON.stringify(plan)])
    this.child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    if (this.child.stdout === null) throw new Error('no stdout')
    this.lines = createInterface(this.child.stdout)[Symbol.asyncIterator]()
    host.lab.keep({
      log: '',
      running: true,
      stop: async () => this.end(),
      kill: async () => this.end(),
      killNow: () => this.end(),
    })
  }

  async line(): Promise<string> {
    return (await this.lines.next()).value ?? ''
  }

  say(word: string): void {
    this.child.stdin?.write(`${word}\n`)
  }

  end(): void {
    this.child.kill('SIGKILL')
  }
}

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

export class Streams {
  private readonly flows: readonly Flow[]
  private readonly ends = new Map<Host, End>()
  private readonly captures = new Map<Host, Capture>()

  private constructor(flows: readonly Flow[]) {
    this.flows = flows
  }

  /** All of them run when this is over. */
  static async start(flows: readonly Flow[]): Promise<Streams> {
    const streams = new Streams(flows)
    const port = (flow: Flow) => FIRST_PORT + flows.indexOf(flow)
    for (const host of new Set(flows.flatMap(({ at }) => at))) streams.captures.set(host, await Capture.begin(host))
    for (const host of new Set(flows.flatMap(({ from, at }) => [from, ...at]))) {
      const plan: StreamPlan = {
        rate: RATE,
        send: flows
          .filter(({ from }) => from === host)
          .map((flow) => ({ flow: flow.name, address: flow.to, port: port(flow), sockets: flow.sockets ?? 1 })),
        receive: flows.filter(({ at }) => at.includes(host)).map(port),
      }
      streams.ends.set(host, new End(host, plan))
    }
    // Ends begin one after the other: the numbers of the first second are left out of the count.
    await Promise.all([...streams.ends.values()].map((end) => end.line()))
    await pause(1_000)
    return streams
  }

  async stop(): Promise<ReadonlyMap<Flow, Loss>> {
    const sent = new Map<string, number>()
    for (const end of this.ends.values()) {
      end.say('halt')
      for (const [flow, count] of Object.entries(JSON.parse(await end.line()) as StreamReport)) sent.set(flow, count)
    }
    await pause(TAIL)
    for (const end of this.ends.values()) end.end()
    const seen = new Map<Host, ReadonlyMap<number, ReadonlySet<number>>>()
    for (const [host, capture] of this.captures) seen.set(host, await capture.end())
    return new Map(
      this.flows.map((flow, index) => {
        const numbers = flow.at.flatMap((host) => seen.get(host)?.get(FIRST_PORT + index) ?? [])
        return [flow, lossOf(sent.get(flow.name) ?? 0, numbers)]
      }),
    )
  }
}

/** What comes to a host, written down by the kernel itself: a busy machine reads it later, and loses nothing of it. */
class Capture {
  private readonly file: string
  private readonly daemon: Daemon

  private constructor(file: string, daemon: Daemon) {
    this.file = file
    this.daemon = daemon
  }

  static async begin(host: Host): Promise<Capture> {
    const file = join(host.directory, 'streams.pcap')
    const filter = `udp and dst portrange ${FIRST_PORT}-${FIRST_PORT + 99}`
    const words = ['-i', 'eth0', '-Q', 'in', '-n', '-s', '96', '-B', '65536', '-U', '-Z', 'root', '-w', file, filter]
    const daemon = host.start('tcpdump', ['tcpdump', ...words])
    await eventually(async () => {
      if (!(await readFile(daemon.log, 'utf8')).includes('listening on')) throw new Error('tcpdump does not listen')
    })
    return new Capture(file, daemon)
  }

  /** Numbers by port. */
  async end(): Promise<ReadonlyMap<number, ReadonlySet<number>>> {
    await this.daemon.stop()
    const said = await readFile(this.daemon.log, 'utf8')
    const dropped = Number(/(\d+) packets dropped by kernel/.exec(said)?.[1] ?? 0)
    if (dropped > 0) throw new Error(`tcpdump had no room for ${dropped} packets: this machine is too busy`)
    return readCapture(await readFile(this.file))
  }
}

const FILE_HEADER = 24
const RECORD_HEADER = 16
const ETHERNET = 14
const UDP = 8

const readCapture = (file: Buffer): Map<number, Set<number>> => {
  const found = new Map<number, Set<number>>()
  for (let at = FILE_HEADER; at + RECORD_HEADER <= file.length; ) {
    const length = file.readUInt32LE(at + 8)
    const packet = file.subarray(at + RECORD_HEADER, at + RECORD_HEADER + length)
    at += RECORD_HEADER + length
    const isSix = packet.readUInt16BE(12) === 0x86dd
    const udp = ETHERNET + (isSix ? 40 : ((packet[ETHERNET] ?? 0) & 15) * 4)
    const port = packet.readUInt16BE(udp + 2)
    const numbers = found.get(port) ?? new Set()
    found.set(port, numbers.add(packet.readUInt32BE(udp + UDP)))
  }
  return found
}

const lossOf = (sent: number, seen: readonly ReadonlySet<number>[]): Loss => {
  let [lost, first, last] = [0, -1, -1]
  for (let number = RATE; number < sent; number++) {
    if (seen.some((numbers) => numbers.has(number))) continue
    lost += 1
    if (first < 0) first = number
    last = number
  }
  return { sent: sent - RATE, lost, dark: lost === 0 ? 0 : ((last - first + 1) * 1_000) / RATE }
}
