/** Two links with one network: where next hops of a neighbor are that `sourceInterface` puts on the second one. */
import { expect, test } from 'vitest'
import { type KernelRoute, MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { linkOf } from '../support/fake-kernel.ts'
import { bgpPeer, upsert } from '../support/objects.ts'
import { announcement, attributes, path, prefix } from '../support/rib.ts'
import { type RawNeighbor, Rig } from '../support/rig.ts'

const over = (name: string, text = '10.0.0.0/24'): KernelRoute => ({
  prefix: prefix(text),
  type: 'unicast',
  protocol: 2,
  metric: 0,
  table: MAIN_TABLE,
  hops: [{ gateway: undefined, interface: name, onlink: false, weight: 1 }],
})

/** Routes of a neighbor with the address 10.0.0.1, and of another in the same network: one from itself, one from a third. */
class Lab {
  readonly #rig: Rig

  /** `wide`: the network of `eth1`. `called`: our address in the session. */
  constructor(spec: object, wide = '10.0.0.0/24', called = '10.0.0.101') {
    this.#rig = new Rig({ spec: { fastExternalFailover: false, ...spec }, more: { dataplane: 'linux' } })
    this.setLink(true, wide.split('/')[1])
    this.tell({ full: true, present: [over('eth0'), over('eth1', wide)] })
    const neighbor = this.#rig.neighbors[0] as RawNeighbor
    neighbor.connect(called).send(neighbor.open()).keepAlive()
    for (const [text, nextHop] of [
      ['10.50.0.0/16', neighbor.address],
      ['10.51.0.0/16', '10.0.0.77'],
    ] as const)
      neighbor.send(announcement([text], attributes(path(neighbor.asn)), nextHop))
  }

  setLink(up: boolean, length = '24'): void {
    const present = [linkOf(3, 'eth1', up, [`10.0.0.101/${length}`])]
    this.#rig.feed({ kind: 'links', change: { full: false, gone: [], present } })
  }

  tell({
    full = false,
    gone = [],
    present = [],
  }: Partial<Record<'gone' | 'present', KernelRoute[]> & { full: boolean }>): void {
    this.#rig.feed({ kind: 'kernel', change: { full, more: false, gone, present } })
  }

  setSpec(spec: object): void {
    const { address, asn } = this.#rig.neighbors[0] as RawNeighbor
    const all = { peerIP: address, asNumber: asn, passive: true, filters: ['take-all'], fastExternalFailover: false }
    this.#rig.feed({ kind: 'objects', changes: [upsert(bgpPeer('peer-0', { ...all, ...spec }))] })
  }

  get links(): string {
    this.#rig.pass(5_000)
    const learned = [...this.#rig.written].filter(({ type }) => type === 'unicast')
    return learned.flatMap(({ hops }) => hops.map((hop) => hop.interface)).join(' ')
  }
}

const BOUND = { sourceInterface: 'eth1' }

test.each<[string, object, string | undefined, string]>([
  ['that the session is bound to', BOUND, undefined, 'eth1 eth1'],
  ['that the session is bound to, also where the other has the longer prefix', BOUND, '10.0.0.0/23', 'eth1 eth1'],
  ['that the kernel uses, where the session is bound to none', {}, undefined, 'eth0 eth0'],
])('they are on the link %s', (_, spec, wide, expected) => {
  expect(new Lab(spec, wide).links).toBe(expected)
})

test.each(['10.0.0.0/24', '10.0.0.0/23'])('they follow the network %s of that link, and go nowhere else', (network) => {
  const lab = new Lab(BOUND, network)
  const found = [lab.links]
  lab.tell({ gone: [over('eth1', network)] })
  found.push(lab.links)
  lab.tell({ present: [over('eth1', network)] })
  found.push(lab.links)
  lab.setLink(false, network.split('/')[1])
  found.push(lab.links)
  lab.setLink(true, network.split('/')[1])
  found.push(lab.links)
  expect(found).toEqual(['eth1 eth1', '', 'eth1 eth1', '', 'eth1 eth1'])
})

test('they follow `sourceInterface` as it is set and removed, also without another session', () => {
  const lab = new Lab({}, '10.0.0.0/25', '10.0.0.100')
  const found = [lab.links]
  for (const spec of [{ sourceInterface: 'eth0' }, {}]) {
    lab.setSpec(spec)
    found.push(lab.links)
  }
  expect(found).toEqual(['eth1 eth1', 'eth0 eth0', 'eth1 eth1'])
})
