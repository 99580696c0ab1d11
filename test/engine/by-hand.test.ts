/** What people asked of an agent by command outlives it: drained and disabled neighbors, and a node that leaves. */
import { describe, expect, test } from 'vitest'
import { ByHand, readByHand } from '../../src/engine/by-hand.ts'
import { FAREWELL } from '../../src/engine/leave.ts'
import type { Neighbor } from '../../src/engine/neighbors.ts'
import { longTest } from '../support/long.ts'
import { type ApiObject, bgpConfiguration, bgpFilter, bgpPeer, node, remove, upsert } from '../support/objects.ts'
import { type Host, World } from '../support/world.ts'

const TAKE_ALL = bgpFilter('all', { importV4: [{ action: 'Accept' }], importV6: [{ action: 'Accept' }] })
const TAINT = 'example.com/maintenance'
const POD = '10.244.1.0/24'
const TOR = 'Global_10_0_0_1'

interface Started {
  readonly taints?: readonly string[]
  readonly peers?: boolean
  readonly more?: readonly ApiObject[]
}

/** A worker whose router calls or is called; `crash` and `start` are its agent's. */
class Scene {
  readonly world = new World()
  readonly #peer: object
  readonly tor: Host
  worker: Host

  constructor(peer: object = { peerIP: '10.0.0.1' }) {
    this.#peer = peer
    this.tor = this.#router()
    this.worker = this.start()
    expect(this.world.until(() => this.routes().length > 0)).toBe(true)
    this.world.pass(2_000)
  }

  #router(): Host {
    const objects = [
      node('tor', { addresses: ['10.0.0.1'], podCIDRs: ['10.99.0.0/16'] }),
      bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false }),
      TAKE_ALL,
      bgpPeer('n1', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['all'] }),
    ]
    return this.world.add(
      'tor',
      ['10.0.0.1'],
      objects.map((object) => upsert(object)),
    )
  }

  start({ taints = [], peers = true, more = [] }: Started = {}): Host {
    const plain = node('n1', { addresses: ['10.0.0.11'], podCIDRs: [POD] })
    const spec = { ...(plain.spec as object), taints: taints.map((key) => ({ key, effect: 'NoSchedule' })) }
    const objects = [
      { ...plain, spec },
      bgpConfiguration({ asNumber: 64512, nodeToNodeMeshEnabled: false, leaveOnTaint: TAINT }),
      TAKE_ALL,
      ...(peers ? [bgpPeer('tor', { asNumber: 65000, filters: ['all'], ...this.#peer })] : []),
      ...more,
    ]
    this.worker = this.world.add(
      'n1',
      ['10.0.0.11'],
      objects.map((object) => upsert(object)),
    )
    return this.worker
  }

  restart(how: 'process' | 'power' = 'process', what: Parameters<Scene['start']>[0] = {}): void {
    this.world.crash(this.worker, how)
    this.world.pass(5_000)
    this.start(what)
    this.world.pass(60_000)
  }

  ask(line: string): string {
    return this.world.ask(this.worker, line)
  }

  /** What the router has from the worker. */
  routes(): readonly { readonly communities: readonly string[]; readonly localPref: number | null }[] {
    const all = this.world.askJson<{ prefix: string; communities: string[]; localPref: number }[]>(
      this.tor,
      'show route',
    )
    return all.filter(({ prefix }) => prefix === POD)
  }

  get isDrained(): boolean {
    return this.routes().every(({ communities, localPref }) => communities.includes('65535:0') && localPref === 0)
  }
}

describe('an agent that restarts', () => {
  test('a neighbor that was drained still is, twice; undrain ends it for good', () => {
    const scene = new Scene()
    scene.ask(`drain ${TOR} "line card"`)
    for (const _ of [1, 2]) {
      scene.restart()
      expect([scene.routes().length, scene.isDrained]).toEqual([1, true])
      expect(scene.ask('show protocols all')).toContain('by hand: line card')
      expect(scene.worker.told('by-hand')).toMatchObject([{ text: expect.stringContaining(TOR) }])
    }
    expect(scene.ask(`undrain ${TOR}`)).toContain('no longer drained')
    scene.restart()
    expect([scene.routes().length, scene.isDrained, scene.worker.told('by-hand')]).toEqual([1, false, []])
  })

  test('a neighbor that was disabled stays down, and its routes away, until it is enabled', () => {
    const scene = new Scene()
    scene.ask(`disable ${TOR} "wrong cable"`)
    scene.restart()
    expect(scene.routes()).toEqual([])
    expect(scene.ask('show protocols all')).toContain('wrong cable')
    scene.ask(`enable ${TOR}`)
    expect(scene.world.until(() => scene.routes().length === 1)).toBe(true)
    scene.restart()
    expect(scene.routes()).toHaveLength(1)
  })

  test('a node that has left does not come back: no session, until leaving is cancelled', () => {
    const scene = new Scene()
    scene.ask('leave "new kernel"')
    scene.world.pass(FAREWELL + 1_000)
    const before = scene.tor.told('session-up').length
    scene.restart()
    expect([scene.routes(), scene.tor.told('session-up').length]).toEqual([[], before])
    expect(scene.ask('show status')).toContain('Leaving (gone): new kernel')
    expect(scene.ask('show protocols all')).toContain('new kernel')
    scene.ask('leave cancel')
    expect(scene.world.until(() => scene.routes().length === 1)).toBe(true)
    scene.restart()
    expect([scene.routes().length, scene.isDrained]).toEqual([1, false])
  })

  test('one that was leaving goes on, from the time at which neighbors have its routes anew', () => {
    const scene = new Scene()
    scene.ask('leave')
    scene.world.pass(3_000)
    scene.world.crash(scene.worker)
    scene.world.pass(5_000)
    scene.start()
    expect(scene.world.until(() => scene.worker.told('selected').length === 1)).toBe(true)
    scene.world.pass(5_000)
    expect([scene.routes().length, scene.isDrained]).toEqual([1, true])
    scene.world.pass(FAREWELL)
    expect([scene.routes(), scene.ask('show status')]).toEqual([[], expect.stringContaining('Leaving (gone)')])
  })

  test('objects that asked this node to leave are asked again: it stays away, or comes back', () => {
    const scene = new Scene()
    scene.world.crash(scene.worker)
    scene.start({ taints: [TAINT] })
    scene.world.pass(60_000)
    const before = scene.tor.told('session-up').length
    scene.restart('process', { taints: [TAINT] })
    expect([scene.routes(), scene.tor.told('session-up').length]).toEqual([[], before])
    scene.restart()
    expect([scene.routes().length, scene.isDrained]).toEqual([1, false])
  })

  test('leaving that objects ask for and people cancelled is not begun again by a restart, but when they ask anew', () => {
    const scene = new Scene()
    const says = `Node/n1 has the taint ${TAINT}`
    scene.world.crash(scene.worker)
    scene.start({ taints: [TAINT] })
    scene.world.pass(60_000)
    expect(scene.routes()).toEqual([])
    expect(scene.ask('leave cancel')).toContain(`This node does not leave, although ${says}`)
    for (const _ of [1, 2]) {
      scene.restart('process', { taints: [TAINT] })
      expect([scene.routes().length, scene.isDrained]).toEqual([1, false])
      expect(scene.ask('show status')).toContain(`Not leaving: cancelled by hand, although ${says}`)
    }
    scene.restart()
    expect(scene.ask('show status')).not.toContain('leaving')
    scene.restart('process', { taints: [TAINT] })
    expect(scene.routes()).toEqual([])
  })

  test('leaving that is cancelled before objects are read again stays cancelled', () => {
    const scene = new Scene()
    scene.world.crash(scene.worker)
    scene.start({ taints: [TAINT] })
    scene.world.pass(3_000)
    scene.ask('leave "by hand"')
    scene.ask('leave cancel')
    scene.restart('process', { taints: [TAINT] })
    expect([scene.routes().length, scene.isDrained]).toEqual([1, false])
    scene.ask('leave "by hand"')
    scene.world.pass(60_000)
    expect(scene.routes()).toEqual([])
    scene.restart('process', { taints: [TAINT] })
    expect(scene.routes()).toEqual([])
    scene.ask('leave cancel')
    scene.restart('process', { taints: [TAINT] })
    expect(scene.routes()).toHaveLength(1)
  })

  test('a reboot forgets all of it', () => {
    const scene = new Scene()
    scene.ask(`drain ${TOR}`)
    scene.ask('leave')
    scene.world.pass(60_000)
    scene.restart('power')
    scene.world.pass(120_000)
    expect([scene.routes().length, scene.isDrained, scene.worker.told('leaving')]).toEqual([1, false, []])
  })

  test('a farewell is not kept: an agent that is installed later does not leave', () => {
    const scene = new Scene()
    scene.world.feed(scene.worker, { kind: 'stop', reason: 'the DaemonSet is deleted', how: 'farewell' })
    scene.world.pass(60_000)
    scene.restart()
    expect([scene.routes().length, scene.isDrained]).toEqual([1, false])
  })

  test('a neighbor whose object went while no agent ran is forgotten, and not drained when it is made anew', () => {
    const scene = new Scene()
    scene.ask(`drain ${TOR}`)
    scene.restart('process', { peers: false })
    scene.restart()
    expect([scene.routes().length, scene.isDrained]).toEqual([1, false])
  })
})

describe('a neighbor from a range', () => {
  test.each(['reboots', 'comes back to an agent that restarted'])('is drained, %s, and still is', (how) => {
    const scene = new Scene({ peerRange: '10.0.0.0/29' })
    scene.ask(`drain ${TOR}`)
    if (how === 'reboots') {
      scene.world.feed(scene.tor, { kind: 'stop', reason: 'maintenance', how: 'leave' })
      scene.world.pass(10_000)
      expect(scene.ask('show protocols')).not.toContain(TOR)
    } else scene.restart()
    const { world } = scene
    if (how === 'reboots') {
      world.crash(scene.tor, 'power')
      Object.assign(scene, { tor: again(scene) })
      world.pass(60_000)
    }
    expect([scene.routes().length, scene.isDrained]).toEqual([1, true])
  })
})

describe('a neighbor from a range that an object names', () => {
  const named = bgpPeer('named', { peerIP: '10.0.0.1', asNumber: 65000, filters: ['all'] })
  const range = remove(bgpPeer('tor', {}))

  test('stays disabled without the range, while it runs and after a restart', () => {
    const scene = new Scene({ peerRange: '10.0.0.0/29' })
    scene.ask(`disable ${TOR}`)
    scene.world.change(scene.worker, [upsert(named)])
    scene.world.change(scene.worker, [range])
    scene.restart('process', { peers: false, more: [named] })
    expect(scene.routes()).toEqual([])
    expect(scene.ask('show protocols all')).toContain('disabled by hand')
  })

  test('… also where object and range were changed while no agent ran', () => {
    const scene = new Scene({ peerRange: '10.0.0.0/29' })
    scene.ask(`disable ${TOR}`)
    for (let count = 0; count < 2; count++) scene.restart('process', { peers: false, more: [named] })
    expect(scene.ask('show protocols all')).toContain('disabled by hand')
    scene.ask(`enable ${TOR}`)
    scene.world.pass(60_000)
    expect(scene.routes()).toHaveLength(1)
  })
})

/** The router, started anew. */
function again({ world }: Scene): Host {
  const objects = [
    node('tor', { addresses: ['10.0.0.1'], podCIDRs: ['10.99.0.0/16'] }),
    bgpConfiguration({ asNumber: 65000, nodeToNodeMeshEnabled: false }),
    TAKE_ALL,
    bgpPeer('n1', { peerIP: '10.0.0.11', asNumber: 64512, filters: ['all'] }),
  ]
  return world.add(
    'tor',
    ['10.0.0.1'],
    objects.map((object) => upsert(object)),
  )
}

describe('the document', () => {
  const neighbor = (name: string, drained: string | undefined) => ({ name, disabled: undefined, drained }) as Neighbor

  test.each([undefined, null, 7, 'text', [], {}, { boot: 1, neighbors: [] }, { boot: 'b' }])('%j is none', (value) => {
    expect(readByHand(value)).toBeUndefined()
  })

  test('what is not understood in it is left out', () => {
    const value = { boot: 'b', neighbors: [7, {}, { name: 'a', drained: 3, disabled: '' }], leaving: { isGone: true } }
    const known = { name: 'a', range: undefined, disabled: '', drained: undefined }
    expect(readByHand(value)).toEqual({ boot: 'b', neighbors: [known], leaving: undefined })
  })

  test('of another boot, or of an unknown one, says nothing', () => {
    for (const boot of ['', 'other']) {
      const byHand = new ByHand(boot)
      byHand.take({ boot: 'b', neighbors: [{ name: 'a', range: undefined, disabled: 'x', drained: undefined }] })
      expect(byHand.of('a').disabled).toBeUndefined()
    }
  })

  longTest('holds 8,192 neighbors, and of each reason what a shutdown message holds', () => {
    const byHand = new ByHand('b')
    for (let number = 0; number < 9_000; number++) byHand.note(neighbor(`n${number}`, 'x'.repeat(4_000)), undefined)
    const document = byHand.remember()
    expect(document?.neighbors).toHaveLength(8_192)
    expect(document?.neighbors[0]?.drained).toHaveLength(255)
    expect(byHand.remember()).toBeUndefined()
    expect(readByHand(JSON.parse(JSON.stringify(document)))?.neighbors).toHaveLength(8_192)
  })
})
