/** An error of our own leaves a file, and the file shows the error again. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { parsePrefix } from '../../../src/base/prefix.ts'
import { Rib } from '../../../src/bgp/rib/rib.ts'
import { KEEPALIVE } from '../../../src/bgp/wire/keepalive.ts'
import type { KernelRoute } from '../../../src/dataplane/kernel.ts'
import type { Link } from '../../../src/dataplane/links.ts'
import type { DrivenEngine } from '../../../src/edge/driver.ts'
import { Base } from '../../../src/edge/replay/base.ts'
import { Recorder, type RecorderBounds } from '../../../src/edge/replay/recorder.ts'
import { readStory } from '../../../src/edge/replay/story.ts'
import type { ByHandDocument } from '../../../src/engine/by-hand.ts'
import type { Input } from '../../../src/engine/input.ts'
import type { RestartDocument } from '../../../src/engine/restart.ts'
import { bfdView } from '../../bfd/support.ts'
import { play } from '../../replay/play.ts'
import { bgpPeer, node, service, upsert } from '../../support/objects.ts'
import { announcement, attributes } from '../../support/rib.ts'
import { type RawNeighbor, Rig } from '../../support/rig.ts'

// Some start processes, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000 })

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-'))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

/** A blackhole in the kernel. */
const routeOf = (text: string): KernelRoute => {
  const parsed = parsePrefix(text)
  if (parsed === undefined) throw new Error(`not a prefix: ${text}`)
  return { prefix: parsed, type: 'blackhole', protocol: 171, metric: 1024, table: 254, hops: [] }
}

const ROOMY: RecorderBounds = { inputs: 1_000, weight: 1e6, file: 1e6 }
const OPTIONS = { node: 'n', version: 'v', hostName: 'n', sourceKind: 'manifests', seed: 1, now: 0, epoch: 0 } as const

function rigWith(bounds: RecorderBounds): { rig: Rig; recorder: Recorder } {
  let recorder: Recorder | undefined
  const through = (engine: DrivenEngine) => {
    recorder = new Recorder(engine, OPTIONS_OF_RIG, bounds)
    return recorder
  }
  const rig = new Rig({ neighbors: 2, through })
  return { rig, recorder: recorder as unknown as Recorder }
}
const OPTIONS_OF_RIG = new Rig({ neighbors: 0 }).options

const text = (length: number): 'ClusterIP' => 'x'.repeat(length) as 'ClusterIP'
const manyHops = (count: number) =>
  Array.from({ length: count }, () => ({ gateway: '10.0.0.1', interface: 'e0', onlink: false, weight: 1 }))

const route = (neighbor: RawNeighbor, prefix: string): Uint8Array => {
  const asPath = [{ kind: 'sequence', asns: [neighbor.asn] }] as const
  return announcement([prefix], attributes({ asPath }), neighbor.address)
}

/** A planted error: an UPDATE with 172.30.0.0/16 is too much for the RIB. */
function plant(): void {
  const { receive } = Rib.prototype
  vi.spyOn(Rib.prototype, 'receive').mockImplementation(function (this: Rib, name, bytes, start, end, now) {
    if (Buffer.from(bytes.subarray(start, end)).includes(Buffer.from([16, 172, 30])))
      throw new Error('planted: 172.30.0.0/16')
    return receive.call(this, name, bytes, start, end, now)
  })
}

function errorOf(call: () => void): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

describe('the same error comes back', () => {
  test('from a story that is whole', () => {
    plant()
    const { rig, recorder } = rigWith(ROOMY)
    const [peer] = rig.neighbors as [RawNeighbor]
    peer.establish().send(route(peer, '172.16.0.0/16'))
    const error = errorOf(() => peer.send(route(peer, '172.30.0.0/16')))
    const story = readStory(recorder.text(error))
    expect(story.head.whole).toBe(true)
    expect(story.base).toEqual([])
    expect(story.error?.during).toBe('turn')
    expect(play(story)).toMatchObject({ outcome: 'same', turn: story.turns.length })
  })

  test.each(['between messages', 'inside a message'] as const)('from the end of a long one that begins %s', (where) => {
    plant()
    const { rig, recorder } = rigWith({ ...ROOMY, inputs: 20 })
    const [peer] = rig.neighbors as [RawNeighbor]
    peer.establish()
    for (let index = 0; index < 300; index++) {
      const message = index % 2 === 0 ? route(peer, `10.244.${index % 250}.0/24`) : KEEPALIVE
      const cut = where === 'between messages' ? message.length : 7
      peer.send(message.slice(0, cut))
      if (cut < message.length) peer.send(message.slice(cut))
    }
    const error = errorOf(() => peer.send(route(peer, '172.30.0.0/16')))
    const story = readStory(recorder.text(error))
    expect(story.head.whole).toBe(false)
    expect(story.turns.length).toBeLessThanOrEqual(20)
    expect(play(story)).toMatchObject({ outcome: 'same', turn: story.turns.length })
  })

  test('not where it rests on a route from before the story: that is said, and no error is made up', () => {
    const { rig, recorder } = rigWith({ ...ROOMY, inputs: 5 })
    const [peer] = rig.neighbors as [RawNeighbor]
    peer.establish().send(route(peer, '10.244.9.0/24'))
    for (let index = 0; index < 20; index++) peer.send(KEEPALIVE)
    const story = readStory(recorder.text(new Error('a route was there')))
    expect(story.head.whole).toBe(false)
    expect(play(story)).toMatchObject({ outcome: 'none' })
  })

  test('another error is told as another', () => {
    plant()
    const { rig, recorder } = rigWith(ROOMY)
    const [peer] = rig.neighbors as [RawNeighbor]
    peer.establish()
    errorOf(() => peer.send(route(peer, '172.30.0.0/16')))
    expect(play(readStory(recorder.text(new Error('something else'))))).toMatchObject({ outcome: 'other' })
  })
})

describe('it is bounded', () => {
  const nobody: DrivenEngine = { handle: () => [], deadline: () => undefined }
  const bytes = (length: number) => new Uint8Array(length).fill(255)
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => upsert(service(`shop/s${index}`, { clusterIPs: ['10.96.0.1'] })))
  const anyInput: fc.Arbitrary<Input> = fc.oneof(
    fc.nat(70_000).map((length): Input => ({ kind: 'received', conn: 1, bytes: bytes(length) })),
    fc.nat(60).map((count): Input => ({ kind: 'objects', changes: many(count) })),
    fc.constant<Input>({ kind: 'polled', until: 0, unread: [] }),
    fc.nat(99).map((conn): Input => ({ kind: 'closed', conn, reason: undefined })),
    fc.nat(99).map((conn): Input => {
      const end = { address: '10.0.0.1', port: 179 }
      return { kind: 'accepted', conn, local: end, remote: end }
    }),
  )

  test('in inputs, in weight and in the file, whatever comes', () => {
    const bounds = { inputs: 30, weight: 100_000, file: 60_000 }
    const run = fc.property(fc.array(anyInput, { maxLength: 120 }), (inputs) => {
      const recorder = new Recorder(nobody, OPTIONS, bounds)
      for (const input of inputs) {
        recorder.handle(input, 0)
        expect(recorder.size.inputs).toBeLessThanOrEqual(bounds.inputs)
        if (recorder.size.inputs > 1) expect(recorder.size.weight).toBeLessThanOrEqual(bounds.weight)
      }
      expect(Buffer.byteLength(recorder.text(new Error('x'.repeat(100_000))))).toBeLessThanOrEqual(bounds.file)
    })
    fc.assert(run, { numRuns: 60 })
  })

  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)
  const addresses = upTo(5_000).map((index) => `10.${index >> 8}.${index & 255}.1`)
  const link: Link = {
    ...{ index: 7, name: 'kube-ipvs0', up: true, mtu: 1500, flags: 1 },
    addresses: addresses.map((address) => ({ address, length: 32, peer: undefined, scope: 0, flags: 0 })),
  }
  const table = { isOwned: true, chains: new Map(), sets: new Map([['a', addresses]]), begun: 0, rules: [] }
  const counters = { sent: 0, received: 0, dropped: {}, leastInterval: 0 }
  const document: RestartDocument = {
    ...{ boot: 'b', routerId: 1, families: [] },
    callers: addresses.slice(0, 1_024),
  }
  const asked = (name: string) => ({ name, range: undefined, disabled: undefined, drained: 'soon' })
  const byHand: ByHandDocument = { boot: 'b', neighbors: addresses.map(asked) }
  /** What is large though it is one: each of a kind whose size others choose. */
  const LARGE: Readonly<Record<string, Input>> = {
    'an object with a long list': {
      kind: 'objects',
      changes: [upsert(service('shop/web', { externalIPs: addresses }))],
    },
    'an object with a long text': { kind: 'objects', changes: [upsert(service('shop/web', { type: text(100_000) }))] },
    'an object with many fields': {
      kind: 'objects',
      changes: [upsert(bgpPeer('a', Object.fromEntries(addresses.map((address) => [address, 1]))))],
    },
    'a link with many addresses': { kind: 'links', change: { full: false, gone: [], present: [link] } },
    'rules with many elements': { kind: 'nft-table', table },
    'many failures': {
      kind: 'applied',
      what: 'routes',
      seq: 1,
      failed: upTo(5_000).map((index) => ({ index, reason: 'no' })),
    },
    'an answer of BFD with many sessions': {
      kind: 'bfd',
      news: [{ kind: 'answer', id: 1, sessions: upTo(500).map(() => bfdView()), counters }],
    },
    'a previous run with many neighbors': { kind: 'restarted', document, byHand },
    'a route with many next hops': {
      kind: 'kernel',
      change: { full: false, more: false, gone: [], present: [{ ...routeOf('10.0.0.0/8'), hops: manyHops(5_000) }] },
    },
  }

  test.each(Object.entries(LARGE))('%s weighs what it takes', (_, input) => {
    const recorder = new Recorder(nobody, OPTIONS)
    for (let time = 0; time < 1_000; time++) recorder.handle(input, 0)
    // Of 100 KB each, 4 MiB hold forty.
    expect(recorder.size.inputs).toBeLessThan(60)
    expect(recorder.size.weight).toBeLessThanOrEqual(4 * 1024 * 1024)
  })

  test('the base too is bounded in octets', () => {
    const base = new Base('worker-1')
    for (const index of upTo(500)) {
      base.fold({ kind: 'objects', changes: [upsert(service(`shop/s${index}`, { externalIPs: addresses }))] })
      base.fold({ kind: 'links', change: { full: false, gone: [], present: [{ ...link, index }] } })
    }
    const [links, ...objects] = base.inputs()
    expect(objects.length).toBeLessThan(50)
    expect(links?.kind === 'links' && links.change.present.length).toBeLessThan(50)
    expect(base.leftOut).toBe(1_000 - objects.length - (links?.kind === 'links' ? links.change.present.length : 0))
    // What is gone makes room.
    base.fold({ kind: 'objects', changes: [{ kind: 'replace', of: 'Service', objects: [] }] })
    base.fold({ kind: 'objects', changes: [upsert(service('shop/new', { externalIPs: addresses }))] })
    expect(base.inputs().filter(({ kind }) => kind === 'objects')).toHaveLength(1)
  })

  test('one file, readable for its owner alone, in place of the last; and it is said where it cannot be written', () => {
    const path = join(folder, 'run', 'godwit.replay.jsonl')
    const recorder = new Recorder(nobody, OPTIONS)
    recorder.handle({ kind: 'tick' }, 1)
    expect(recorder.write(path, new Error('one'))).toBe(`the recent inputs are in ${path}`)
    recorder.write(path, new Error('two'))
    expect(readdirSync(join(folder, 'run'))).toEqual(['godwit.replay.jsonl'])
    expect(statSync(path).mode & 0o777).toBe(0o600)
    writeFileSync(join(folder, 'file'), '')
    expect(recorder.write(join(folder, 'file', 'run', 'x.jsonl'), new Error('three'))).toBe(
      'the recent inputs cannot be written: Not a directory',
    )
  })
})

test('bytes of a sender are copied before they are its own again, and a Map comes back as one', () => {
  const recorder = new Recorder({ handle: () => [], deadline: () => undefined }, OPTIONS)
  const bytes = Uint8Array.of(1, 2, 3)
  recorder.handle({ kind: 'received', conn: 1, bytes }, 0)
  bytes.fill(0)
  const table = { isOwned: true, chains: new Map([['a', 'b']]), sets: new Map(), begun: 0, rules: [] }
  recorder.handle({ kind: 'nft-table', table }, 0)
  const { turns } = readStory(recorder.text('text'))
  expect(turns.map((one) => one.in)).toEqual([
    { kind: 'received', conn: 1, bytes: Uint8Array.of(1, 2, 3) },
    { kind: 'nft-table', table },
  ])
})

test('no key is in it, wherever somebody wrote one', () => {
  const key = 'tu-whit-tu-whoo'
  const annotations = {
    'kubectl.kubernetes.io/last-applied-configuration': key,
    'godwit.dev/password': key,
    'godwit.dev/keyChain': JSON.stringify([{ key }]),
    'projectcalico.org/metadata': JSON.stringify({ annotations: { 'godwit.dev/password': key } }),
  }
  const object = {
    ...bgpPeer('tor', { peerIP: '10.0.0.1', password: key, extra: [{ password: key }], nodeMeshPassword: [key] }),
    metadata: { name: 'tor', annotations, managedFields: [key] },
  }
  const ref = { kind: 'BGPPeer', namespace: '', name: 'tor' } as const
  const upserted = { kind: 'upsert', ref, object, from: undefined } as const
  for (const inputs of [1, 1_000]) {
    const recorder = new Recorder({ handle: () => [], deadline: () => undefined }, OPTIONS, { ...ROOMY, inputs })
    recorder.handle({ kind: 'objects', changes: [upserted] }, 0)
    recorder.handle({ kind: 'objects', changes: [{ kind: 'replace', of: 'BGPPeer', objects: [upserted] }] }, 0)
    recorder.handle({ kind: 'remembered', objects: [upserted] }, 0)
    const text = recorder.text(new Error('no'))
    expect(text).toContain('10.0.0.1')
    expect(text).not.toContain(key)
  }
})

test('npm run replay says what a file is, or why it is none', async () => {
  const main = new URL('../../replay/main.ts', import.meta.url).pathname
  const run = (path: string) =>
    promisify(execFile)(process.execPath, [main, path]).then(
      ({ stdout }) => ({ code: 0, text: stdout }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        code: error.code,
        text: error.stdout + error.stderr,
      }),
    )
  const path = join(folder, 'a.jsonl')
  const recorder = new Recorder({ handle: () => [], deadline: () => undefined }, OPTIONS)
  recorder.handle({ kind: 'tick' }, 1)
  recorder.write(path, new Error('gone since'))
  expect(await run(path)).toMatchObject({ code: 1, text: expect.stringContaining('no error came') })
  writeFileSync(path, '{"some":"json"}\n')
  expect(await run(path)).toMatchObject({ code: 2, text: expect.stringContaining('this is no story') })
})

test('its base is bounded, what people write comes first, and what has no room is counted', () => {
  const base = new Base('worker-1')
  const end = { address: '10.0.0.1', port: 179 }
  for (let number = 0; number < 5_000; number++) {
    const route = routeOf(`10.${number >> 8}.${number & 255}.0/24`)
    base.fold({ kind: 'objects', changes: [upsert(service(`shop/s${number}`, { clusterIPs: ['10.96.0.1'] }))] })
    base.fold({ kind: 'kernel', change: { full: false, more: false, gone: [], present: [route] } })
    base.fold({ kind: 'accepted', conn: number * 2 + 1, local: end, remote: end })
    base.fold({ kind: 'router', interface: `eth${number}`, address: 'fe80::1' })
  }
  base.fold({ kind: 'objects', changes: [upsert(bgpPeer('late', { peerIP: '10.0.0.9' }))] })
  const inputs = base.inputs()
  const count = (kind: Input['kind']) => inputs.filter((input) => input.kind === kind).length
  const routes = inputs.find((input) => input.kind === 'kernel')
  expect([count('objects'), count('accepted'), count('router')]).toEqual([2_049, 512, 4_096])
  expect(routes?.kind === 'kernel' ? routes.change.present.length : 0).toBe(4_096)
  expect(JSON.stringify(inputs)).toContain('"late"')
  expect(base.leftOut).toBe(5_000 * 4 - 2_048 - 512 - 4_096 - 4_096)
})

test('its base has room for what a replay cannot do without', () => {
  const base = new Base('worker-1')
  base.fold({ kind: 'restarted', document: undefined, byHand: undefined, forwards: ['ipv4'] })
  for (let number = 0; number < 5_000; number++) {
    base.fold({ kind: 'objects', changes: [upsert(node(`n${number}`, {}))] })
    base.fold({ kind: 'client-opened', client: number, restricted: false })
    base.fold({ kind: 'client-closed', client: number })
  }
  base.fold({ kind: 'objects', changes: [upsert(node('worker-1', {}))] })
  base.fold({ kind: 'link', interface: 'eth0', error: undefined })
  const inputs = base.inputs()
  expect(inputs.filter(({ kind }) => kind !== 'objects').map(({ kind }) => kind)).toEqual(['restarted', 'link'])
  expect(JSON.stringify(inputs)).toContain('"worker-1"')
  expect(base.leftOut).toBe(5_000 - 2_048)
})
