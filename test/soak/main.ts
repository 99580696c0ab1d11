/**
 * A week of churn in one engine, by hand: `npm run soak [-- --days 7]`. Three neighbors advertise, change and withdraw
 * routes that each draws from 200,000 possible prefixes; each day one of them advertises 100,000 more and withdraws them,
 * and one session is lost. The number of routes at the end of each day is the same, so memory and cost per change should
 * be too.
 *
 * Then a spike: 100,000 routes with a set of attributes each, of which five in a hundred, chosen by lot, stay. `--fresh`
 * tells only those, twenty times: what an agent takes that never had the others, after as much work.
 */
import { parseArgs } from 'node:util'
import { Chance } from '../../src/base/chance.ts'
import { KEEPALIVE } from '../../src/bgp/wire/keepalive.ts'
import { mapLargeArrays } from '../../src/edge/memory.ts'
import { attribute, update } from '../support/messages.ts'
import { Rig } from '../support/rig.ts'

const { values } = parseArgs({
  options: { days: { type: 'string', default: '7' }, fresh: { type: 'boolean', default: false } },
})
mapLargeArrays()

const HOUR = 3_600_000
const LIVE = 4_400
const SPACE = 200_000
const CHANGES_PER_HOUR = 20_000
const SPIKE = 100_000
const MIB = 1024 * 1024
const chunk = new Uint8Array(65_536)

const chance = new Chance(7)
const draw = (below: number): number => Math.floor(chance.next() * below)
const nlri = (route: number): number[] => [24, 64 + (route >> 16), (route >> 8) & 255, route & 255]

/** A route with a path and communities of its own: 30 to 130 octets. */
const tell = (from: Neighbor, route: number, version: number): Uint8Array =>
  update({
    attributes: [
      attribute(0x40, 1, 0),
      attribute(0x40, 2, 2, 2, 0, 0, from.asn >> 8, from.asn & 255, 0, 1, (version >> 8) & 255, version & 255),
      attribute(0x40, 3, 10, 0, 0, from.asn & 255),
      attribute(0xc0, 8, ...Array.from({ length: 1 + (version % 24) }, (_, at) => [0, 1, route & 255, at]).flat()),
    ],
    nlri: nlri(route),
  })
const takeBack = (route: number): Uint8Array => update({ withdrawn: nlri(route) })

const rig = new Rig({ neighbors: 3, spec: { maxPrefixes: 1_000_000 } })
for (const neighbor of rig.neighbors) neighbor.establish()
type Neighbor = (typeof rig.neighbors)[number]
const live = new Map<Neighbor, Set<number>>(rig.neighbors.map((neighbor) => [neighbor, new Set()]))

/** In chunks as sockets hand them over, each made when it is sent. */
function send(to: Neighbor, messages: Iterable<Uint8Array>): void {
  let size = 0
  for (const message of messages) {
    if (size + message.length > chunk.length) {
      to.send(chunk.subarray(0, size))
      size = 0
    }
    chunk.set(message, size)
    size += message.length
  }
  if (size > 0) to.send(chunk.subarray(0, size))
}

/** As many come as go: which, is drawn by lot. */
function* churn(of: Neighbor, changes: number): Generator<Uint8Array> {
  const held = live.get(of) as Set<number>
  const most = Math.floor(LIVE / 3)
  for (let change = 0; change < changes; change++) {
    const route = draw(SPACE)
    const oldest = held.size >= most ? [...take(held, 1)][0] : undefined
    if (oldest !== undefined) {
      held.delete(oldest)
      yield takeBack(oldest)
    }
    held.add(route)
    yield tell(of, route, draw(65_536))
  }
}

function* take<T>(from: Iterable<T>, count: number): Generator<T> {
  let left = count
  for (const one of from) {
    if (left-- <= 0) return
    yield one
  }
}

/** 100,000 beyond the space of the others, of which five in a hundred stay, by lot. */
const isSpike = Array.from({ length: SPIKE }, () => draw(100) < 5)
const spikeRoutes = (which: (stays: boolean) => boolean): number[] =>
  isSpike.flatMap((stays, index) => (which(stays) ? [SPACE + index] : []))

function* told(of: Neighbor, routes: readonly number[]): Generator<Uint8Array> {
  for (const route of routes) yield tell(of, route, route)
}
function* takenBack(routes: readonly number[]): Generator<Uint8Array> {
  for (const route of routes) yield takeBack(route)
}

const resident = (): string => {
  globalThis.gc?.()
  return (process.memoryUsage.rss() / MIB).toFixed(0)
}
const cpu = (): number => {
  const { user, system } = process.cpuUsage()
  return user + system
}

function settle(hours: number): void {
  for (let hour = 0; hour < hours; hour++) {
    for (let second = 0; second < 3_600; second += 20) {
      for (const neighbor of rig.neighbors) neighbor.send(KEEPALIVE)
      rig.pass((HOUR / 3_600) * 20)
    }
  }
}

const [first, second, third] = rig.neighbors as [Neighbor, Neighbor, Neighbor]
if (values.fresh) {
  send(
    first,
    told(
      first,
      spikeRoutes((stays) => stays),
    ),
  )
  settle(1 / 60)
  console.log(`fresh: ${rig.held(first)} routes, ${resident()} MiB resident`)
} else {
  console.log('| day | routes | resident, MiB | tables, MiB | CPU per change, µs |\n| --- | --- | --- | --- | --- |')
  for (let day = 1; day <= Number(values.days); day++) {
    const begun = cpu()
    for (let hour = 0; hour < 24; hour++) {
      for (const neighbor of rig.neighbors) send(neighbor, churn(neighbor, CHANGES_PER_HOUR / 3))
      settle(0.01)
    }
    const perChange = (cpu() - begun) / (24 * CHANGES_PER_HOUR)
    send(
      second,
      told(
        second,
        spikeRoutes(() => true),
      ),
    )
    send(second, takenBack(spikeRoutes(() => true)))
    third.hangUp('lost').establish()
    live.get(third)?.clear()
    send(third, churn(third, LIVE))
    settle(1)
    const held = rig.neighbors.reduce((sum, neighbor) => sum + rig.held(neighbor), 0)
    const tables = (rig.memory() / MIB).toFixed(1)
    console.log(`| ${day} | ${held} | ${resident()} | ${tables} | ${perChange.toFixed(2)} |`)
  }
  send(
    first,
    told(
      first,
      spikeRoutes(() => true),
    ),
  )
  send(first, takenBack(spikeRoutes((stays) => !stays)))
  console.log(`100,000 more, of which ${rig.held(first)} stay: ${resident()} MiB resident at once`)
  settle(1 / 60)
  console.log(`a minute later: ${resident()} MiB`)
  settle(1)
  console.log(`an hour later: ${resident()} MiB`)
}
