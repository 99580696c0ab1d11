/** The FIB converges: whatever was there, its changes lead to what is wanted, and nobody else's route is touched. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { planFib } from '../../src/dataplane/fib.ts'
import { GODWIT_PROTOCOL, type KernelRoute, type RouteChange, sameRoute } from '../../src/dataplane/kernel.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import { RouteKeeper } from '../../src/dataplane/route-keeper.ts'
import type { Input } from '../../src/engine/input.ts'
import { FakeKernel, ownRoute } from '../support/fake-kernel.ts'

const PREFIXES = ['10.244.1.0/24', '10.244.2.0/24', '0.0.0.0/0', 'fd00:244:1::/64', 'fd00:244:2::/64', '10.0.0.0/24']
const hopFor = (text: string, host: number) => ({
  gateway: text.includes(':') ? `fd00::${host}` : `10.0.0.${host}`,
  interface: 'e0',
  onlink: false,
  weight: 1,
})

const route = fc
  .tuple(fc.constantFrom(...PREFIXES), fc.uniqueArray(fc.integer({ min: 3, max: 6 }), { maxLength: 3 }))
  .map(([text, hosts]) => ownRoute(text, ...hosts.map((host) => hopFor(text, host))))
const table = fc.uniqueArray(route, { selector: ({ prefix }) => prefix.text })

function apply(present: readonly KernelRoute[], changes: readonly RouteChange[]): Map<string, KernelRoute> {
  const after = new Map(present.map((one) => [one.prefix.text, one]))
  for (const { action, route: one } of changes) {
    expect(after.has(one.prefix.text)).toBe(action !== 'add')
    if (action === 'remove') after.delete(one.prefix.text)
    else after.set(one.prefix.text, one)
  }
  return after
}

test('changes applied to what is present give what is wanted, and no more than needed', () => {
  fc.assert(
    fc.property(table, table, (wanted, present) => {
      const changes = planFib(wanted, present)
      const after = apply(present, changes)
      expect([...after.keys()].sort()).toEqual(wanted.map(({ prefix }) => prefix.text).sort())
      for (const one of wanted) expect(sameRoute(after.get(one.prefix.text) ?? one, one)).toBe(true)
      expect(planFib(wanted, [...after.values()])).toEqual([])
    }),
  )
})

type Step =
  | { readonly kind: 'learn'; readonly text: string; readonly host: number }
  | { readonly kind: 'forget' | 'blackhole' | 'drop' | 'foreign' | 'foreign-gone' | 'deleted'; readonly text: string }
  | { readonly kind: 'carrier'; readonly up: boolean }
  | { readonly kind: 'locked'; readonly reason: string | undefined }
  | { readonly kind: 'sweep' }

const text = fc.constantFrom(...PREFIXES.slice(0, 5))
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('learn' as const), text, host: fc.integer({ min: 3, max: 9 }) }),
  fc.record({ kind: fc.constantFrom('forget', 'blackhole', 'drop', 'foreign', 'foreign-gone', 'deleted'), text }),
  fc.record({ kind: fc.constant('carrier' as const), up: fc.boolean() }),
  fc.record({ kind: fc.constant('locked' as const), reason: fc.constantFrom(undefined, 'No space left on device') }),
  fc.constant({ kind: 'sweep' as const }),
)

/** A keeper and a kernel in memory, joined as the engine joins them. */
class Joined {
  readonly #links = new LinkTable()
  readonly keeper = new RouteKeeper(this.#links)
  readonly kernel: FakeKernel
  readonly #later: (() => void)[] = []
  #inFlight: { seq: number; changes: readonly RouteChange[] } | undefined
  #seq = 0

  constructor() {
    this.kernel = new FakeKernel({ feed: (input) => this.#take(input), later: (work) => this.#later.push(work) })
    this.kernel.addLink('e0', '10.0.0.2/24', 'fd00::2/64')
    this.kernel.addLink('e1', '10.1.0.2/24')
    this.kernel.open()
  }

  #take(input: Input): void {
    if (input.kind === 'links') this.keeper.takeLinks(this.#links.take(input.change))
    if (input.kind === 'kernel') this.keeper.takeKernel(input.change, 0)
    if (input.kind !== 'applied' || this.#inFlight?.seq !== input.seq) return
    this.keeper.applied(this.#inFlight.changes, input.failed, 0)
    this.#inFlight = undefined
  }

  /** One thing after the other, `some` of them; all where it is left out. */
  run(some = Number.POSITIVE_INFINITY): void {
    for (let done = 0; done < some; done++) {
      if (this.#inFlight === undefined) {
        const changes = this.keeper.take(2)
        if (changes.length > 0) {
          this.#inFlight = { seq: ++this.#seq, changes }
          this.kernel.perform({ kind: 'routes', seq: this.#seq, changes })
        }
      }
      const work = this.#later.shift()
      if (work === undefined) return
      work()
    }
  }

  do(one: Step): void {
    if (one.kind === 'carrier') this.kernel.setCarrier('e0', one.up)
    else if (one.kind === 'locked') this.kernel.locked = one.reason
    else if (one.kind === 'sweep') this.keeper.sweep()
    else {
      const { prefix } = ownRoute(one.text)
      const near = (host: number) => hopFor(one.text, host).gateway
      const bytes = (address: string) => Uint8Array.from(ownRoute(`${address}/${prefix.bytes.length * 8}`).prefix.bytes)
      if (one.kind === 'learn')
        this.keeper.wanted.learn(prefix, [{ bytes: bytes(near(one.host)), interface: undefined }])
      if (one.kind === 'forget') this.keeper.wanted.forget(one.text)
      if (one.kind === 'blackhole') this.keeper.wanted.holdBlackhole(prefix)
      if (one.kind === 'drop') this.keeper.wanted.dropBlackhole(prefix)
      if (one.kind === 'foreign') this.kernel.addForeign(one.text, near(8), 4, 2048)
      if (one.kind === 'foreign-gone') this.kernel.remove(one.text, 4)
      if (one.kind === 'deleted') this.kernel.remove(one.text, GODWIT_PROTOCOL)
    }
  }
}

test('whatever happens in whatever order, in the end the kernel has what is wanted', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(step, fc.nat(4)), { maxLength: 40, size: 'max' }), (steps) => {
      const joined = new Joined()
      const learned = new Map<string, number>()
      const [blackholes, foreign] = [new Set<string>(), new Set<string>()]
      let up = true
      for (const [one, some] of steps) {
        joined.do(one)
        if (one.kind === 'learn') learned.set(one.text, one.host)
        if (one.kind === 'forget') learned.delete(one.text)
        if (one.kind === 'blackhole') blackholes.add(one.text)
        if (one.kind === 'drop') blackholes.delete(one.text)
        if (one.kind === 'foreign') foreign.add(one.text)
        if (one.kind === 'foreign-gone') foreign.delete(one.text)
        if (one.kind === 'carrier') up = one.up
        joined.run(some)
      }
      joined.kernel.locked = undefined
      joined.keeper.sweep()
      joined.run()
      joined.keeper.retry(Number.POSITIVE_INFINITY)
      joined.run()
      const expected = PREFIXES.flatMap((text) => {
        if (foreign.has(text)) return []
        if (blackholes.has(text)) return [`blackhole ${text}`]
        const host = learned.get(text)
        return host === undefined || !up ? [] : [`${text} via ${hopFor(text, host).gateway}`]
      })
      const own = joined.kernel.own.map((key) => key.replace(/ (?:dev e0 )?proto .*$/, ''))
      expect(own.sort()).toEqual(expected.sort())
      const theirs = joined.kernel.list().filter((key) => key.includes(' proto 4 '))
      expect(theirs).toHaveLength(foreign.size)
      // A failure is over when the kernel has what is wanted, whoever brought it about.
      expect(joined.keeper.keptOut.groups('failed', 9)).toEqual([])
    }),
    { numRuns: 400 },
  )
})
