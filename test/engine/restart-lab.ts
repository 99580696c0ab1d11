/** A worker and two routers, for tests of our own graceful restart. */
import { expect } from 'vitest'
import type { Family } from '../../src/base/family.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { type ApiObject, bgpConfiguration, bgpFilter, bgpPeer, node, upsert } from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const TAKE_ALL = bgpFilter('take-all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })
const PASS_ALL = bgpFilter('pass-all', { importV4: [{ action: 'Accept' }], exportV4: [{ action: 'Accept' }] })
export const POD = '10.244.1.0/24'

/** A worker and two routers; `sent`: what the worker said since it was last cleared. */
export class RestartLab {
  readonly world: World
  worker: Host
  readonly routers: readonly Host[]
  readonly sent: { readonly at: number; readonly type: number; readonly isEndOfRib: boolean }[] = []

  /** How many UPDATEs had been sent at each measurement of a change. */
  readonly measured: number[] = []

  /** `peers`: in place of one for each router, which then call. */
  constructor(spec: object = {}, peers?: readonly ApiObject[]) {
    this.#peers = peers
    this.world = new World({ watch: (host, _, effects) => this.#watch(host, effects) })
    this.routers = [1, 2].map((number) => this.addRouter(number))
    this.#spec = spec
    this.worker = this.start()
    expect(this.world.until(() => this.routers.every((router) => this.has(router)))).toBe(true)
    this.world.pass(5_000)
  }
  readonly #spec: object
  readonly #peers: readonly ApiObject[] | undefined

  addRouter(number: number): Host {
    const addresses = [`10.0.0.${number}`, `fd00:10::${number}`]
    return this.world.add(`tor-${number}`, addresses, [
      upsert(node(`tor-${number}`, { addresses, podCIDRs: [`10.250.${number}.0/24`] })),
      upsert(bgpConfiguration({ asNumber: 65000 + number, nodeToNodeMeshEnabled: false })),
      upsert(TAKE_ALL),
      upsert(this.peerOf({ passive: this.#peers === undefined })),
    ])
  }

  /** The worker, as a router has it. */
  peerOf(spec: object): ApiObject {
    return bgpPeer('worker', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['take-all'], ...spec })
  }

  start(routerId?: string, forwards?: readonly Family[]): Host {
    const addresses = ['10.0.0.11', 'fd00:10::11']
    const name = 'worker-1'
    const worker = node(name, { addresses, podCIDRs: [POD, 'fd00:244:1::/64'], ...(routerId && { routerId }) })
    this.worker = this.world.add(
      name,
      addresses,
      [
        upsert(worker),
        upsert(bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false })),
        upsert(PASS_ALL),
        ...this.#peersOf().map((peer) => upsert(peer)),
      ],
      { forwards },
    )
    return this.worker
  }

  #peersOf(): readonly ApiObject[] {
    if (this.#peers !== undefined) return this.#peers
    return [1, 2].map((number) =>
      bgpPeer(`tor-${number}`, { peerIP: `10.0.0.${number}`, asNumber: 65000 + number, ...this.#spec }),
    )
  }

  #watch(host: Host, effects: readonly Effect[]): void {
    if (host.name !== 'worker-1') return
    for (const effect of effects) {
      if (effect.kind === 'measure') this.measured.push(this.said(2))
      if (effect.kind !== 'send') continue
      for (let at = 0; at < effect.bytes.length; ) {
        const length = ((effect.bytes[at + 16] as number) << 8) | (effect.bytes[at + 17] as number)
        const type = effect.bytes[at + 18] as number
        this.sent.push({ at: this.world.now, type, isEndOfRib: type === 2 && (length === 23 || length === 29) })
        at += length
      }
    }
  }

  /** A router has the worker's routes, in both families. */
  has(router: Host): boolean {
    const text = this.world.ask(router, 'show route')
    return text.includes(POD) && text.includes('fd00:244:1::/64')
  }

  /** Passes so long, and looks each tenth of a second whether a router lacks the worker's routes. */
  lacks(millis: number): number {
    let lacks = 0
    let seen = -1
    for (let left = millis; left > 0; left -= 100) {
      this.world.pass(100)
      // Where no host had a turn, all is as it was.
      if (lacks === 0 && this.world.turns === seen) continue
      for (const router of this.routers) if (router.alive && !this.has(router)) lacks++
      seen = this.world.turns
    }
    return lacks
  }

  opensOf(router: Host): string {
    // What the neighbor said stands behind what this one says.
    return this.world.ask(router, 'show protocols all').split('Neighbor capabilities')[1] ?? ''
  }

  get endsOfRib(): number {
    return this.sent.filter(({ isEndOfRib }) => isEndOfRib).length
  }

  said(type: number): number {
    return this.sent.filter((one) => one.type === type).length
  }
}
