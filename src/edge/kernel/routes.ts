/**
 * The kernel's routing table: writes our routes and tells what is in it.
 *
 * In: the Effect `routes`. Out: the Inputs `kernel` (what is different since the last read; the first is everything),
 * `applied` for every effect, and `kernel-trouble` while reading or writing is impossible.
 *
 * `ip monitor` gives hints, `ip -j` is read back, `ip -batch` writes. Reading and writing take turns, so what is told
 * is in order: what a read shows was before or behind a write as a whole.
 *
 * Routes stay when we end.
 */
import { FAMILIES, type Family } from '../../base/family.ts'
import type { Millis } from '../../base/units.ts'
import { ownKey } from '../../dataplane/fib.ts'
import {
  type Failure,
  GODWIT_PROTOCOL,
  type KernelRoute,
  type Link,
  type RouteChange,
  routeKey,
} from '../../dataplane/kernel.ts'
import type { Effect } from '../../engine/effect.ts'
import type { Input } from '../../engine/input.ts'
import { readFailures, renderChange } from './routes-batch.ts'
import { readLinks, readRoutes } from './routes-read.ts'
import { Looker, Monitor, runTool, whyFailed } from './tools.ts'

export interface RoutesOptions {
  readonly feed: (input: Input) => void
  /** Name or number of the routing table for ours. Where it is not `main`, next hops are looked up in both. */
  readonly table?: string
  /** Words before every command: how to get into another network namespace. */
  readonly enter?: readonly string[]
  readonly recheck?: Millis
}

type RoutesEffect = Extract<Effect, { kind: 'routes' }>

const FAMILY_FLAG: Readonly<Record<Family, string>> = { ipv4: '-4', ipv6: '-6' }

const MAIN = 'main'

export class Routes {
  readonly #feed: (input: Input) => void
  readonly #table: string
  readonly #enter: readonly string[]
  readonly #looker: Looker
  #monitor: Monitor | undefined
  /** As the engine knows it: by key, and ours by prefix as well. */
  #known: Map<string, KernelRoute> | undefined
  readonly #own = new Map<string, string>()
  #links = ''
  #trouble: string | undefined

  constructor({ feed, table = MAIN, enter = [], recheck }: RoutesOptions) {
    this.#feed = feed
    this.#table = table
    this.#enter = enter
    this.#looker = new Looker({ look: () => this.#read(), ...(recheck === undefined ? {} : { recheck }) })
  }

  /** From now on the engine is told. */
  open(): void {
    const command = [...this.#enter, 'ip', '-o', 'monitor', 'route', 'link', 'address']
    void this.#looker.now()
    this.#monitor = new Monitor({ command, hint: () => this.#looker.hint() })
  }

  perform({ seq, changes }: RoutesEffect): void {
    void this.#looker.run(async () => {
      const failed = await this.#write(changes)
      this.#feed({ kind: 'applied', what: 'routes', seq, failed })
      if (failed.length > 0) this.#looker.hint()
    })
  }

  async stop(): Promise<void> {
    this.#monitor?.stop()
    await this.#looker.stop()
  }

  async #write(changes: readonly RouteChange[]): Promise<Failure[]> {
    const parts = await Promise.all(FAMILIES.map((family) => this.#writeFamily(family, changes)))
    const failed = parts.flat()
    const bad = new Set(failed.map(({ index }) => index))
    for (const [index, change] of changes.entries()) if (!bad.has(index)) this.#note(change)
    return failed
  }

  async #writeFamily(family: Family, all: readonly RouteChange[]): Promise<Failure[]> {
    const places = all.flatMap(({ route }, index) => (route.prefix.family === family ? [index] : []))
    if (places.length === 0) return []
    const changes = places.map((place) => all[place] as RouteChange)
    const lines = changes.map((change) => renderChange(change, this.#table))
    const outcome = await this.#ip([FAMILY_FLAG[family], '-force', '-batch', '-'], `${lines.join('\n')}\n`)
    return readFailures(outcome, changes).map(({ index, reason }) => ({ index: places[index] ?? 0, reason }))
  }

  /** The engine takes it from `applied` that this is so now. */
  #note({ action, route }: RouteChange): void {
    const own = ownKey(route)
    const before = this.#own.get(own)
    if (before !== undefined) this.#known?.delete(before)
    this.#own.delete(own)
    if (action === 'remove') return
    const written = { ...route, protocol: GODWIT_PROTOCOL, dead: false }
    const key = routeKey(written)
    this.#known?.set(key, { ...written, key })
    this.#own.set(own, key)
  }

  async #read(): Promise<void> {
    try {
      const [v4, v6, links] = await Promise.all([this.#show('ipv4'), this.#show('ipv6'), this.#showLinks()])
      this.#tell([...v4, ...v6], links)
      this.#setTrouble(undefined)
    } catch (error) {
      this.#setTrouble(`the kernel's routes cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  async #show(family: Family): Promise<KernelRoute[]> {
    const routes = await this.#showTable(family, this.#table)
    if (this.#table === MAIN) return routes
    // Ours in `main` are none of this agent: they stand where another setting put them.
    const main = await this.#showTable(family, MAIN)
    return [...routes, ...main.filter(({ protocol }) => protocol !== GODWIT_PROTOCOL)]
  }

  async #showTable(family: Family, table: string): Promise<KernelRoute[]> {
    const outcome = await this.#ip([FAMILY_FLAG[family], '-N', '-j', '-d', 'route', 'show', 'table', table])
    // A table that nobody has written to yet does not exist.
    if (outcome.code === 2 && outcome.stderr.includes('table does not exist')) return []
    if (outcome.code !== 0) throw new Error(whyFailed(outcome))
    return readRoutes(outcome.stdout, family)
  }

  async #showLinks(): Promise<Link[]> {
    const outcome = await this.#ip(['-j', 'addr', 'show'])
    if (outcome.code !== 0) throw new Error(whyFailed(outcome))
    return readLinks(outcome.stdout)
  }

  #tell(routes: readonly KernelRoute[], links: readonly Link[]): void {
    const before = this.#known
    const after = new Map(routes.map((route) => [route.key, route]))
    const text = JSON.stringify(links)
    const gone = [...(before?.keys() ?? [])].filter((key) => !after.has(key))
    const present = before === undefined ? [...after.values()] : routes.filter(({ key }) => !before.has(key))
    const changed = text === this.#links ? undefined : links
    // The flags of routes may follow those of their link only after this read.
    if (changed !== undefined && before !== undefined) this.#looker.hint()
    this.#known = after
    this.#links = text
    this.#own.clear()
    for (const route of routes) if (route.protocol === GODWIT_PROTOCOL) this.#own.set(ownKey(route), route.key)
    if (before !== undefined && gone.length + present.length === 0 && changed === undefined) return
    this.#feed({ kind: 'kernel', change: { full: before === undefined, gone, present, links: changed } })
  }

  #setTrouble(text: string | undefined): void {
    if (text === this.#trouble) return
    this.#trouble = text
    this.#feed({ kind: 'kernel-trouble', what: 'routes', text })
  }

  #ip(words: readonly string[], input = '') {
    return runTool([...this.#enter, 'ip', ...words], input)
  }
}
