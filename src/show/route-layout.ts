/** The lines of a route in `show route`, as BIRD 2 and BIRD 1.6 lay them out. */
import type { Address } from '../base/address.ts'
import type { RouteRow } from '../bgp/rib/types.ts'
import { lastAs } from './attributes.ts'
import { gatewaysOf } from './gateway.ts'
import { originatedKind } from './originated-kind.ts'

/** `prefix` is empty where the line before has the same one. */
interface RouteLine {
  readonly row: RouteRow
  readonly prefix: string
  readonly since: string
  /** The interface toward a gateway, as `interfaceFinder` finds it. */
  readonly interfaceOf: InterfaceOf
}

type InterfaceOf = (gateway: Address) => string | undefined

type RouteLayout = (line: RouteLine) => readonly string[]

/**
 *     10.1.0.0/24          unicast [Global_10_0_0_9 01:30:07.907] * (100) [AS65002i]
 *     	via 10.0.0.9 on eth0
 */
export const bird2Lines: RouteLayout = (line) => {
  const { row, prefix, interfaceOf } = line
  const tail = row.peer === undefined ? '(200)' : `(100) [${lastAs(row.attributes)}]`
  const ways = gatewaysOf(row).map((gateway) => `\t${wayText(gateway, interfaceOf)}`)
  return [`${prefix.padEnd(20)} unicast ${sourceText(line)} ${tail}`, ...ways]
}

/**
 *     10.1.0.0/24        via 10.0.0.9 on eth0 [Global_10_0_0_9 01:30:07.907] * (100/0) [AS65002i]
 *
 * BIRD 1.6 has `multipath` in place of several gateways, and the gateways below it.
 */
export const bird1Lines: RouteLayout = (line) => {
  const { row, prefix, interfaceOf } = line
  const ways = gatewaysOf(row).map((gateway) => wayText(gateway, interfaceOf))
  const [only = 'blackhole', another] = ways
  const way = another === undefined ? only : 'multipath'
  const tail = row.peer === undefined ? '(200)' : `(100/0) [${lastAs(row.attributes)}]`
  const below = another === undefined ? [] : ways.map((one) => `\t${one} weight 1`)
  return [`${prefix.padEnd(18)} ${way} ${sourceText(line)} ${tail}`, ...below]
}

function sourceText({ row, since }: RouteLine): string {
  const from = row.from === undefined || row.nextHops.includes(row.from) ? '' : ` from ${row.from}`
  return `[${row.peer ?? originatedKind(row.origin)} ${since}${from}]${row.best ? ' *' : ''}`
}

function wayText(gateway: Address, interfaceOf: InterfaceOf): string {
  const name = interfaceOf(gateway)
  const bare = gateway.split('%')[0]
  return name === undefined ? `via ${bare}` : `via ${bare} on ${name}`
}
