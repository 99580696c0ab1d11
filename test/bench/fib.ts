/**
 * What routes cost between the RIB and the socket, without a kernel: learned, planned, encoded, noted as done; then one next
 * hop goes another way, and all are taken away.
 */
import type { Family } from '../../src/base/family.ts'
import { packPrefix } from '../../src/base/prefix.ts'
import { type KernelRoute, MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import type { NextHop } from '../../src/dataplane/next-hop.ts'
import { RouteKeeper } from '../../src/dataplane/route-keeper.ts'
import { KnownRoutes } from '../../src/edge/kernel/known-routes.ts'
import { NetlinkWriter } from '../../src/edge/kernel/netlink-message.ts'
import { writeChange } from '../../src/edge/kernel/netlink-route.ts'
import { linkOf, ownRoute } from '../support/fake-kernel.ts'

const CHANGES = 1_024
const BATCH = 32 * 1024
const MIB = 1024 * 1024

const cpu = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
const heap = (): number => {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / MIB
}

const foreign = (
  text: string,
  protocol: number,
  metric: number,
  gateway: string | undefined,
  name: string,
): KernelRoute => ({
  prefix: ownRoute(text).prefix,
  type: 'unicast',
  protocol,
  metric,
  table: MAIN_TABLE,
  hops: [{ gateway, interface: name, onlink: false, weight: 1 }],
})
/** The next hop of all IPv4 routes lies behind one router, and later behind another. */
const NOW = foreign('192.0.2.0/24', 4, 50, '10.0.0.9', 'e0')
const LATER = foreign('192.0.2.0/24', 4, 50, '10.1.0.9', 'e1')
const NEXT_HOPS: Readonly<Record<Family, NextHop>> = {
  ipv4: { bytes: ownRoute('192.0.2.1/32').prefix.bytes, interface: undefined },
  ipv6: { bytes: ownRoute('fd00::9/128').prefix.bytes, interface: undefined },
}

const prefixOf = (family: Family, at: number) =>
  family === 'ipv4'
    ? packPrefix(Uint8Array.of(20 + (at >> 16), (at >> 8) & 255, at & 255, 0), 24)
    : packPrefix(Uint8Array.of(0x20, 1, 0xd, 0xb8, at >> 16, (at >> 8) & 255, at & 255, 0, 0, 0, 0, 0, 0, 0, 0, 0), 64)

class Path {
  readonly keeper: RouteKeeper
  readonly #known = new KnownRoutes()
  readonly #writer = new NetlinkWriter(2 * BATCH)

  constructor() {
    const links = new LinkTable()
    this.keeper = new RouteKeeper(links)
    const present = [linkOf(2, 'e0', true, ['10.0.0.2/24', 'fd00::2/64']), linkOf(3, 'e1', true, ['10.1.0.2/24'])]
    this.keeper.takeLinks(links.take({ full: true, gone: [], present }))
    const routes = [
      foreign('10.0.0.0/24', 2, 0, undefined, 'e0'),
      foreign('10.1.0.0/24', 2, 0, undefined, 'e1'),
      foreign('fd00::/64', 2, 256, undefined, 'e0'),
      NOW,
    ]
    this.keeper.takeKernel({ full: true, more: false, gone: [], present: routes }, 0)
    this.keeper.sweep()
  }

  /** All that is to be changed, as the engine and the edge do it. */
  settle(): void {
    for (let changes = this.keeper.take(CHANGES); changes.length > 0; changes = this.keeper.take(CHANGES)) {
      for (const [seq, change] of changes.entries()) {
        writeChange(this.#writer, change, seq, () => 2)
        if (this.#writer.length > BATCH) this.#writer.take()
        this.#known.note(change)
      }
      this.keeper.applied(changes, [], 0)
      this.keeper.kernel.takeMoved(CHANGES)
      this.keeper.wanted.takeTouched()
    }
  }
}

/** CPU seconds, and MiB of heap while all stand. */
export function benchFib(size: number): { write: number; move: number; clear: number; memory: number } {
  const path = new Path()
  const lap = (work: () => void): number => {
    const before = cpu()
    work()
    path.settle()
    return cpu() - before
  }
  const each = (work: (family: Family, at: number) => void) => {
    for (let at = 0; at < size; at++) for (const family of ['ipv4', 'ipv6'] as const) work(family, at)
  }
  const before = heap()
  const write = lap(() => each((family, at) => path.keeper.wanted.learn(prefixOf(family, at), [NEXT_HOPS[family]])))
  const memory = heap() - before
  const move = lap(() => path.keeper.takeKernel({ full: false, more: false, gone: [NOW], present: [LATER] }, 0))
  const clear = lap(() => each((family, at) => path.keeper.wanted.forget(prefixOf(family, at).text)))
  return { write, move, clear, memory }
}
