// What a case is, and how it compares what a router holds with what it should hold.

import type { Lab } from '../lab/lab.ts'
import { eventually, type WaitOptions } from '../lab/wait.ts'
import type { Route, Router, Speaker } from '../speakers/speaker.ts'

export interface Bench {
  readonly lab: Lab
  readonly speaker: Speaker
  /** All speakers that work on this machine. */
  readonly present: readonly Speaker[]
}

export interface Case {
  readonly name: string
  /** Each speaker in turn, those of some kinds, or once, with speakers of its own choice. */
  readonly speakers: 'each' | 'once' | Speaker['kind'] | readonly Speaker['kind'][]
  /** Why a speaker has not what the case is about: it then has no part in it, and the matrix says why. */
  readonly lacking?: (speaker: Speaker, version: string) => string | undefined
  /** Longest time it may take, in milliseconds. */
  readonly limit?: number
  run(bench: Bench): Promise<void>
}

/** Thrown where a case cannot be run here; the reason is printed. */
export class Skip extends Error {}

export type Expected = Pick<Route, 'prefix' | 'nextHop'> & Partial<Route>

const key = (route: Pick<Route, 'prefix' | 'nextHop'>): string => `${route.prefix} via ${route.nextHop}`

/** One line per difference; nothing when the two sets are the same in everything that is expected. */
const routeDifferences = (actual: readonly Route[], expected: readonly Expected[]): readonly string[] => {
  const byKey = new Map(actual.map((route) => [key(route), route]))
  const missing = expected.filter((route) => !byKey.has(key(route))).map((route) => `missing ${key(route)}`)
  const wanted = new Map(expected.map((route) => [key(route), route]))
  const extra = actual.filter((route) => !wanted.has(key(route))).map((route) => `unexpected ${key(route)}`)
  const twice = actual.length - byKey.size
  const other = expected.flatMap((route) => {
    const found = byKey.get(key(route))
    if (found === undefined) return []
    return Object.entries(route)
      .filter(([field, value]) => JSON.stringify(found[field as keyof Route]) !== JSON.stringify(value))
      .map(
        ([field, value]) =>
          `${key(route)}: ${field} ${JSON.stringify(found[field as keyof Route])}, expected ${JSON.stringify(value)}`,
      )
  })
  return [...missing, ...extra, ...other, ...(twice > 0 ? [`${twice} routes more than once`] : [])]
}

export const expectRoutes = (what: string, actual: readonly Route[], expected: readonly Expected[]): void => {
  const differences = routeDifferences(actual, expected)
  if (differences.length > 0)
    throw new Error(
      `${what}: ${differences.slice(0, 12).join('; ')}${differences.length > 12 ? ` … ${differences.length} in all` : ''}`,
    )
}

/** Waits until a router's learned routes, both families, are exactly these. */
export const routerHolds = (router: Router, expected: readonly Expected[], options?: WaitOptions): Promise<void> =>
  eventually(async () => {
    const actual = [...(await router.routes('ipv4')), ...(await router.routes('ipv6'))]
    expectRoutes(`routes on ${router.host.name}`, actual, expected)
  }, options)

export const sessionsUp = (router: Router, count: number, options?: WaitOptions): Promise<void> =>
  eventually(async () => {
    const all = await router.sessions()
    const up = all.filter((session) => session.established).length
    if (up !== count)
      throw new Error(
        `${up} of ${count} sessions up on ${router.host.name}: ${all.map(({ neighbor, state }) => `${neighbor} ${state}`).join(', ')}`,
      )
  }, options)

export const expect = (condition: boolean, otherwise: string): void => {
  if (!condition) throw new Error(otherwise)
}
