/** Where packets of learned routes go that are not in the kernel: it is told again whenever the answer is another one. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressBytes } from '../../src/base/address.ts'
import { type Hop, type KernelRoute, MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import { RouteKeeper } from '../../src/dataplane/route-keeper.ts'
import type { Straying } from '../../src/dataplane/straying.ts'
import { linkOf } from '../support/fake-kernel.ts'
import { prefix } from '../support/rib.ts'
import { settle } from '../support/settle.ts'

const LINKS = ['e0', 'e1', 'e2'] as const
const LEARNED = ['10.244.1.0/24', '10.244.2.0/24', 'fd00:244:1::/64']
const WIDER = ['10.244.0.0/16', '0.0.0.0/0', '::/0']

type Step =
  | { readonly kind: 'link'; readonly link: number; readonly up: boolean; readonly network: number }
  | { readonly kind: 'foreign'; readonly text: string; readonly over: readonly number[]; readonly host: number }
  | { readonly kind: 'foreign-gone'; readonly text: string }
  | { readonly kind: 'learn'; readonly text: string; readonly link: number }
  /** Felix writes the routes to pods. */
  | { readonly kind: 'leave'; readonly leaves: boolean }
  | { readonly kind: 'refuse'; readonly refuses: boolean }

const link = fc.nat({ max: LINKS.length - 1 })
const text = fc.constantFrom(...LEARNED)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('link' as const), link, up: fc.boolean(), network: fc.nat({ max: 1 }) }),
  fc.record({
    kind: fc.constant('foreign' as const),
    text: fc.constantFrom(...LEARNED, ...WIDER),
    over: fc.uniqueArray(link, { maxLength: 2 }),
    host: fc.constantFrom(0, 1, 2),
  }),
  fc.record({ kind: fc.constant('foreign-gone' as const), text: fc.constantFrom(...LEARNED, ...WIDER) }),
  fc.record({ kind: fc.constant('learn' as const), text, link }),
  fc.record({ kind: fc.constant('leave' as const), leaves: fc.boolean() }),
  fc.record({ kind: fc.constant('refuse' as const), refuses: fc.boolean() }),
)

const gatewayOn = (text: string, at: number, host: number): string =>
  text.includes(':') ? `fd00:${at}::${host}` : `10.${at}.0.${host}`

class Node {
  readonly links = new LinkTable()
  readonly keeper = new RouteKeeper(this.links)
  readonly #foreign = new Map<string, KernelRoute>()
  /** The kernel takes none of our routes. */
  #refuses = false
  /** As the RIB knows it. */
  readonly told = new Map<string, Straying>()

  constructor() {
    for (const at of LINKS.keys()) this.setLink(at, true, 0)
    const connected = LINKS.flatMap((name, at) => [
      foreign(`10.${at}.0.0/16`, [hop(undefined, name)]),
      foreign(`fd00:${at}::/32`, [hop(undefined, name)]),
    ])
    this.keeper.takeKernel({ full: true, more: false, gone: [], present: connected }, 0)
    for (const text of LEARNED) this.learn(text, 0)
  }

  take(one: Step): void {
    if (one.kind === 'link') this.setLink(one.link, one.up, one.network)
    else if (one.kind === 'foreign') this.#setForeign(one.text, one.over, one.host)
    else if (one.kind === 'foreign-gone') this.#change(one.text, undefined)
    else if (one.kind === 'learn') this.learn(one.text, one.link)
    else if (one.kind === 'leave') this.keeper.wanted.leaveTo(one.leaves ? LEARNED.map(prefix) : [])
    else this.#refuses = one.refuses
    this.#write()
    for (const moved of this.keeper.keptOut.takeTouched(99)) {
      const straying = this.keeper.straying(moved)
      if (straying === undefined) this.told.delete(moved.text)
      else this.told.set(moved.text, straying)
    }
  }

  setLink(at: number, up: boolean, network: number): void {
    const addresses = [`10.${at}.0.100/16`, `fd00:${at}::100/32`, `172.16.${network}.1/24`]
    const present = [linkOf(at + 2, LINKS[at] ?? '', up, addresses)]
    this.keeper.takeLinks(this.links.take({ full: false, gone: [], present }))
  }

  learn(text: string, at: number): void {
    this.keeper.wanted.learn(prefix(text), [{ bytes: addressBytes(gatewayOn(text, at, 1)), interface: undefined }])
  }

  /** Host 0: without a gateway. */
  #setForeign(text: string, over: readonly number[], host: number): void {
    const hops = over.map((at) => hop(host === 0 ? undefined : gatewayOn(text, at, host), LINKS[at] ?? ''))
    this.#change(text, foreign(text, hops))
  }

  #change(text: string, route: KernelRoute | undefined): void {
    const before = this.#foreign.get(text)
    if (route === undefined) this.#foreign.delete(text)
    else this.#foreign.set(text, route)
    const present = route === undefined ? [] : [route]
    this.keeper.takeKernel({ full: false, more: false, gone: before === undefined ? [] : [before], present }, 0)
  }

  #write(): void {
    settle(this.keeper)
    while (this.keeper.isBusy) {
      const changes = this.keeper.take(9)
      const failed = this.#refuses ? changes.map((_, index) => ({ index, reason: 'No buffer space' })) : []
      this.keeper.applied(changes, failed, 0)
    }
  }
}

const hop = (gateway: string | undefined, name: string): Hop => ({ gateway, interface: name, onlink: false, weight: 1 })
const foreign = (text: string, hops: readonly Hop[]): KernelRoute => ({
  prefix: prefix(text),
  type: 'unicast',
  protocol: 4,
  metric: 100,
  table: MAIN_TABLE,
  hops,
})

test('what was told last is what is so, whatever links and other programs do', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const node = new Node()
      for (const one of steps) {
        node.take(one)
        for (const text of LEARNED) expect(node.told.get(text)).toEqual(node.keeper.straying(prefix(text)))
      }
    }),
    { numRuns: 200 },
  )
})
