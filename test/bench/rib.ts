/**
 * What a route costs in the RIB, in process and without sockets: `npx node --expose-gc test/bench/rib.ts [routes]`.
 * Seven routes per attribute set, as in a full table; times are CPU times, the best of several rounds.
 */
import { ACCEPT_ALL } from '../../src/bgp/policy/defaults.ts'
import { Rib } from '../../src/bgp/rib/rib.ts'
import type { RibPeer } from '../../src/bgp/rib/types.ts'

const ROUTES = Number(process.argv[2] ?? 500_000)
const PER_SET = 7
const BUDGET = 20_000
const CHUNK = 65_536

const peer = (name: string, index: number, families: RibPeer['families']): RibPeer => {
  const context = {
    fourOctetAs: true,
    families,
    addPath: [],
    extendedNextHop: false,
    messageSize: 4096,
    peerType: 'external',
  } as const
  return {
    name,
    peerType: 'external',
    localAs: 65_000,
    remoteAs: 65_001 + index,
    localRouterId: 1,
    remoteRouterId: 2 + index,
    remoteAddress: `192.0.2.${2 + index}`,
    families,
    receive: context,
    send: context,
    nextHops: { ipv4: Uint8Array.of(192, 0, 2, 1), ipv6: new Uint8Array(16).fill(0x20) },
    importPolicy: ACCEPT_ALL,
    exportPolicy: ACCEPT_ALL,
    maxPrefixes: {},
  }
}

/** UPDATEs as a router with a full table sends them: a path of three to six, two communities. */
function feed(routes: number): { bytes: Uint8Array; ends: Uint32Array } {
  const bytes = new Uint8Array(routes * 24 + 4096)
  const ends: number[] = []
  let at = 0
  for (let first = 0; first < routes; first += PER_SET) {
    const set = first / PER_SET
    const start = at
    bytes.fill(0xff, at, at + 16)
    at += 18
    bytes[at++] = 2
    bytes[at++] = 0
    bytes[at++] = 0
    const lengthAt = at
    at += 2
    at = put(bytes, at, [0x40, 1, 1, 0])
    const hops = 3 + (set & 3)
    at = put(bytes, at, [0x40, 2, 2 + hops * 4, 2, hops])
    at = put(bytes, at, [0, 0, 0xfd, 0xe9])
    for (let hop = 1; hop < hops; hop++) at = put(bytes, at, [0, 1 + hop, (set >> 8) & 0xff, set & 0xff])
    at = put(bytes, at, [0x40, 3, 4, 192, 0, 2, 2])
    at = put(bytes, at, [0xc0, 8, 8, 0xfd, 0xe9, set >> 16, 7, 0xfd, 0xe9, (set >> 8) & 0xff, set & 0xff])
    bytes[lengthAt] = (at - lengthAt - 2) >> 8
    bytes[lengthAt + 1] = at - lengthAt - 2
    for (let route = first; route < Math.min(first + PER_SET, routes); route++) {
      const network = route + 0x010000
      at = put(bytes, at, [24, network >> 16, (network >> 8) & 0xff, network & 0xff])
    }
    bytes[start + 16] = (at - start) >> 8
    bytes[start + 17] = at - start
    ends.push(at)
  }
  return { bytes: bytes.slice(0, at), ends: Uint32Array.from(ends) }
}

function put(bytes: Uint8Array, at: number, values: readonly number[]): number {
  bytes.set(values, at)
  return at + values.length
}

/** Milliseconds of CPU: others may be using the machine. */
const cpu = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

const { bytes, ends } = feed(ROUTES)

/** Everybody takes 64 KiB in turn, until nobody has anything left to take. */
function drain(rib: Rib, names: readonly string[]): { messages: number; bytes: number } {
  const told = { messages: 0, bytes: 0 }
  for (let more = true; more; ) {
    more = false
    for (const name of names) {
      const chunk = rib.pull(name, CHUNK)
      if (chunk === undefined) continue
      more = true
      told.messages += chunk.messages
      told.bytes += chunk.bytes.length
    }
  }
  return told
}

/** As the engine does it: a socket chunk, a turn, what observers can take. */
function run(rib: Rib, observers: readonly string[]): { messages: number; bytes: number } {
  let start = 0
  let turn = CHUNK
  const all = { messages: 0, bytes: 0 }
  const count = (told: typeof all) => {
    all.messages += told.messages
    all.bytes += told.bytes
  }
  for (const end of ends) {
    rib.receive('sender', bytes, start, end, 1000)
    start = end
    if (start < turn) continue
    turn += CHUNK
    while (rib.busy) rib.advance(BUDGET, 0)
    count(drain(rib, observers))
  }
  while (rib.busy) rib.advance(BUDGET, 0)
  count(drain(rib, observers))
  return all
}

interface Round {
  /** µs of CPU per route: into new tables, the loss of all, and again into tables that have grown. */
  readonly cold: number
  readonly loss: number
  readonly warm: number
  readonly memory: string
  readonly told: { readonly messages: number; readonly bytes: number }
}

function round(observers: number): Round {
  const rib = new Rib()
  rib.addPeer(peer('sender', 0, ['ipv4']))
  const names = Array.from({ length: observers }, (_, index) => `observer-${index + 1}`)
  for (const [index, observer] of names.entries()) rib.addPeer(peer(observer, index + 1, ['ipv4']))
  while (rib.busy) rib.advance(BUDGET, 0)
  drain(rib, names)
  let told = { messages: 0, bytes: 0 }
  const cold = perRoute(() => {
    told = run(rib, ['sender', ...names])
  })
  const parts = rib.memory().map(({ what, bytes }) => ({ what, bytes: Math.round(bytes / ROUTES) }))
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0)
  const memory = `${total} bytes per route (${parts.map(({ what, bytes }) => `${what} ${bytes}`).join(', ')})`
  const loss = perRoute(() => {
    rib.removePeer('sender')
    while (rib.busy) rib.advance(BUDGET, 0)
    drain(rib, names)
  })
  rib.addPeer(peer('sender', 0, ['ipv4']))
  const warm = perRoute(() => run(rib, ['sender', ...names]))
  return { cold, loss, warm, memory, told }
}

function perRoute(work: () => void): number {
  const start = cpu()
  work()
  return ((cpu() - start) * 1000) / ROUTES
}

function measure(name: string, observers: number): void {
  const rounds = Array.from({ length: 5 }, () => round(observers))
  const best = (key: 'cold' | 'loss' | 'warm') => Math.min(...rounds.map((one) => one[key])).toFixed(3)
  const [{ memory, told }] = rounds as [Round]
  console.log(`${name}: ${best('cold')} µs per route, warm ${best('warm')}, loss ${best('loss')}`)
  console.log(`  ${memory}; told ${told.bytes} bytes in ${told.messages} UPDATEs`)
}

console.log(`${ROUTES} routes, ${PER_SET} per attribute set, CPU time, best of five`)
measure('ingest', 0)
measure('pass-through', 1)
measure('fan-out to 20', 20)
