/** The number of routes of other programs that are not kept, through events and readings. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Prefix, parsePrefix } from '../../../src/base/prefix.ts'
import { type KernelRoute, MAIN_TABLE } from '../../../src/dataplane/kernel.ts'
import { KnownRoutes } from '../../../src/edge/kernel/known-routes.ts'

const MOST = 4
const [BIRD, BOOT] = [12, 3]

function reported(number: number, protocol: number, gateway = 'a') {
  const hops = [{ gateway: `10.0.0.${gateway === 'a' ? 1 : 2}`, interface: 'eth0' }] as unknown as KernelRoute['hops']
  const prefix = parsePrefix(`10.64.${number}.0/24`) as Prefix
  const route: KernelRoute = { prefix, type: 'unicast', protocol, metric: 0, table: MAIN_TABLE, hops }
  return { route, source: undefined, hasObject: false }
}
type Reported = ReturnType<typeof reported>

/** A table of the kernel with one route a prefix, and what is known of it. */
class Table {
  readonly known = new KnownRoutes(MOST)
  readonly routes = new Map<string, Reported>()
  readonly told: number[] = []
  /** Prefixes as they were reported. */
  readonly followed = new Set<string>()
  leftOut = 0

  put(route: Reported): void {
    const { text } = route.route.prefix
    const isReplacement = this.routes.has(text)
    this.routes.set(text, route)
    this.known.added(route, isReplacement)
    this.follow()
  }

  take(number: number): void {
    const { text } = reported(number, BIRD).route.prefix
    const route = this.routes.get(text)
    this.routes.delete(text)
    if (route !== undefined) this.known.removed(route)
    this.follow()
  }

  /** With a report after each route, as after each part of a long reading. */
  read(): void {
    this.known.unclear.clear()
    this.known.begin('ipv4')
    for (const route of this.routes.values()) {
      this.known.read(route)
      this.follow()
    }
    for (const _ of this.known.sweep('ipv4', 1)) this.follow()
    this.follow()
  }

  follow(): void {
    const change = this.known.changes(true)
    for (const { prefix } of change?.gone ?? []) this.followed.delete(prefix.text)
    for (const { prefix } of change?.present ?? []) this.followed.add(prefix.text)
    if (change?.leftOut !== undefined) this.told.push(change.leftOut)
    this.leftOut = change?.leftOut ?? this.leftOut
  }
}

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, at) => from + at)

test('it is that of the table, whatever is added, replaced, removed and read', () => {
  // So few that each change of the number is a tenth of it.
  const number = fc.nat(12)
  const owner = fc.constantFrom(BIRD, BOOT)
  const step = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), number, owner, gateway: fc.constantFrom('a', 'b') }),
    fc.record({ kind: fc.constant('take' as const), number }),
    fc.record({ kind: fc.constant('read' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const table = new Table()
      // A prefix stays with its owner: which program a replaced route was of, the kernel does not say.
      const owners = new Map<number, number>()
      for (const one of steps) {
        if (one.kind === 'read') table.read()
        else if (one.kind === 'take') table.take(one.number)
        else {
          if (!owners.has(one.number)) owners.set(one.number, one.owner)
          table.put(reported(one.number, owners.get(one.number) as number, one.gateway))
        }
        expect(table.leftOut).toBe(table.routes.size - table.followed.size)
      }
    }),
  )
})

test('while the routes are read again it stays what it was', () => {
  const table = new Table()
  for (const number of numbers(30)) table.put(reported(number, BIRD))
  table.read()
  const before = table.told.length
  for (let again = 0; again < 3; again++) table.read()
  expect([table.leftOut, table.told.length - before]).toEqual([26, 0])
})

test('a daemon that changes its routes all the time is news only where the number differs by a tenth', () => {
  const table = new Table()
  for (const number of numbers(104)) table.put(reported(number, BIRD))
  table.read()
  expect(Math.abs(table.leftOut - 100)).toBeLessThanOrEqual(10)
  const before = table.told.length
  for (const number of numbers(5, 50)) table.take(number)
  for (const number of numbers(5, 150)) table.put(reported(number, BIRD))
  expect(table.told).toHaveLength(before)
  for (const number of numbers(30, 60)) table.take(number)
  expect(Math.abs(table.leftOut - 70)).toBeLessThanOrEqual(7)
})

test('room for routes of one owner is no reason to read those that another owner left out', () => {
  const table = new Table()
  for (const number of numbers(30)) table.put(reported(number, BIRD))
  table.put(reported(40, BOOT))
  table.take(40)
  expect([...table.known.unclear]).toEqual([])
  table.take(0)
  expect([...table.known.unclear]).toEqual([])
  table.take(1)
  expect([...table.known.unclear]).toEqual(['ipv4'])
})
