/** The CNI configuration: its text, when the engine wants which, and the file. */
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Prefix, parsePrefix } from '../../../src/base/prefix.ts'
import { CNI_FILE, renderConflist, whyNotOurs } from '../../../src/dataplane/cni.ts'
import { CniFile } from '../../../src/edge/kernel/cni.ts'
import type { CniMode } from '../../../src/engine/cni.ts'
import type { Effect } from '../../../src/engine/effect.ts'
import { Engine } from '../../../src/engine/engine.ts'
import type { Input } from '../../../src/engine/input.ts'
import { ENGINE_OPTIONS } from '../../support/engine-options.ts'
import { FakeKernel } from '../../support/fake-kernel.ts'
import { bgpConfiguration, node, remove, upsert } from '../../support/objects.ts'

const prefixes = (...texts: readonly string[]): Prefix[] => texts.map((text) => parsePrefix(text) as Prefix)

interface Conflist {
  readonly cniVersion: string
  readonly name: string
  readonly plugins: readonly { readonly type: string; readonly ipMasq?: boolean; readonly ipam?: unknown }[]
}

const parsed = (text: string | undefined): Conflist => JSON.parse(text ?? 'null') as Conflist

describe('the text', () => {
  test('hands out one address of each family, routes both, and masquerades nothing', () => {
    const list = parsed(renderConflist(prefixes('10.244.1.0/24', 'fd00:244:1::/64'), 'ptp'))
    expect(list).toMatchObject({ cniVersion: '1.0.0', name: 'godwit' })
    expect(list.plugins.map(({ type }) => type)).toEqual(['ptp', 'portmap'])
    expect(list.plugins[0]).toMatchObject({
      ipMasq: false,
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd00:244:1::/64' }]],
        routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
      },
    })
  })

  test('two pod CIDRs of one family are one set: a pod gets one address of them', () => {
    const [ptp] = parsed(renderConflist(prefixes('10.244.1.0/24', '10.244.9.0/24'), 'ptp')).plugins
    expect(ptp?.ipam).toMatchObject({
      ranges: [[{ subnet: '10.244.1.0/24' }, { subnet: '10.244.9.0/24' }]],
      routes: [{ dst: '0.0.0.0/0' }],
    })
  })

  test('a subnet that host-local would refuse is left out: no pod would start', () => {
    const [ptp] = parsed(renderConflist(prefixes('10.244.9.9/32', '10.244.1.0/30', '10.244.1.8/31'), 'ptp')).plugins
    expect(ptp?.ipam).toMatchObject({ ranges: [[{ subnet: '10.244.1.0/30' }]] })
    expect(renderConflist(prefixes('10.244.9.9/32', 'fd00:244::/127'), 'ptp')).toBeUndefined()
    const overlapping = ['10.244.1.0/24', '10.244.0.0/16', '10.244.0.0/16']
    const { plugins } = parsed(renderConflist(prefixes(...overlapping), 'ptp'))
    expect(plugins[0]?.ipam).toMatchObject({ ranges: [[{ subnet: '10.244.0.0/16' }]] })
  })

  test('IPv6 alone has no IPv4 route', () => {
    const [bridge] = parsed(renderConflist(prefixes('fd00:244:1::/64'), 'bridge')).plugins
    expect(bridge).toMatchObject({ type: 'bridge', bridge: 'godwit0', isGateway: true, ipMasq: false })
    expect(bridge?.ipam).toMatchObject({ routes: [{ dst: '::/0' }] })
  })

  test('without a pod CIDR there is none', () => {
    expect(renderConflist([], 'ptp')).toBeUndefined()
  })

  test.each([
    ['ours', renderConflist(prefixes('10.244.1.0/24'), 'ptp') ?? '', undefined],
    ['of the same name by somebody else', '{"cniVersion":"1.0.0","name":"godwit","plugins":[]}', /has no/],
    ['a list', '[]', /has no/],
    ['half a file', '{"cniVersion":', /not JSON/],
    ['empty', '', /not JSON/],
  ])('a file that is %s', (_name, text, why) => {
    if (why === undefined) expect(whyNotOurs(text)).toBeUndefined()
    else expect(whyNotOurs(text)).toMatch(why)
  })
})

describe('the engine', () => {
  const WORKER = node('worker-1', { addresses: ['10.0.0.11'], podCIDRs: ['10.244.1.0/24'] })
  const MOVED = node('worker-1', { addresses: ['10.0.0.11'], podCIDRs: ['10.244.7.0/24'] })
  const BARE = node('worker-1', { addresses: ['10.0.0.11'] })

  const newEngine = (cni: CniMode, dataplane: 'linux' | 'none') =>
    new Engine({
      ...ENGINE_OPTIONS,
      cni,
      dataplane,
    })
  const start = (cni: CniMode) => {
    const engine = newEngine(cni, 'none')
    return (input: Input) => engine.handle(input, 0)
  }
  const wishes = (effects: readonly Effect[]) =>
    effects.filter((effect) => effect.kind === 'cni').map(({ config }) => config)
  const objects = (...objects: readonly (typeof WORKER)[]): Input => ({
    kind: 'objects',
    changes: objects.map((one) => upsert(one)),
  })

  test('says it once everything is known, and again only when it changes', () => {
    const turn = start('ptp')
    expect(wishes(turn(objects(WORKER)))).toEqual([])
    expect(wishes(turn({ kind: 'synced' }))).toEqual([renderConflist(prefixes('10.244.1.0/24'), 'ptp')])
    expect(wishes(turn(objects(WORKER)))).toEqual([])
    expect(wishes(turn(objects(MOVED)))).toEqual([renderConflist(prefixes('10.244.7.0/24'), 'ptp')])
  })

  test('a node that is not known keeps what it has; one without pod CIDRs may have none', () => {
    const turn = start('bridge')
    turn(objects(WORKER))
    turn({ kind: 'synced' })
    expect(wishes(turn({ kind: 'objects', changes: [remove(WORKER)] }))).toEqual([])
    expect(wishes(turn(objects(BARE)))).toEqual([undefined])
  })

  test('pods get addresses from the prefixes that are advertised for them, wherever those stand', () => {
    const turn = start('ptp')
    const listed = bgpConfiguration({ podCIDRSource: 'Static' })
    const list = (...podCIDRs: readonly unknown[]) => bgpConfiguration({ podCIDRs }, 'node.worker-1')
    turn(objects(BARE, listed, list('10.250.3.0/24')))
    const file = (...texts: readonly string[]) => renderConflist(prefixes(...texts), 'ptp')
    expect(wishes(turn({ kind: 'synced' }))).toEqual([file('10.250.3.0/24')])
    expect(wishes(turn(objects(WORKER)))).toEqual([])
    expect(wishes(turn(objects(list('10.250.4.0/24'))))).toEqual([file('10.250.4.0/24')])
    expect(wishes(turn(objects(bgpConfiguration({ podCIDRSource: 'Node' }))))).toEqual([file('10.244.1.0/24')])
    expect(wishes(turn({ kind: 'objects', changes: [upsert(listed), remove(list())] }))).toEqual([undefined])
  })

  test('a list that cannot be read changes no file', () => {
    const turn = start('ptp')
    const faulty = bgpConfiguration({ podCIDRs: ['10.250.3.0/24', 'x'] }, 'node.worker-1')
    turn(objects(WORKER, bgpConfiguration({ podCIDRSource: 'Static' }), faulty))
    expect(wishes(turn({ kind: 'synced' }))).toEqual([])
    expect(wishes(turn(objects(bgpConfiguration({ podCIDRSource: 'x' }, 'default'))))).toEqual([])
    expect(wishes(turn(objects(bgpConfiguration({})))).length).toBe(1)
  })

  test('without --cni nothing is ever said; with remove it is, without knowing the node', () => {
    const none = start('none')
    none(objects(WORKER))
    expect(wishes(none({ kind: 'synced' }))).toEqual([])
    expect(wishes(start('remove')({ kind: 'synced' }))).toEqual([undefined])
  })

  test.each([
    ['it is written', undefined],
    ['it is known that it cannot be: pods from before must be reached', 'disk full'],
  ])('a pod CIDR is not advertised before %s', (_name, error) => {
    const engine = newEngine('ptp', 'linux')
    const inputs: Input[] = [objects(WORKER), { kind: 'synced' }]
    const later: (() => void)[] = []
    const feed = (input: Input) => inputs.push(input)
    const kernel = new FakeKernel({ feed, later: (work) => later.push(work) })
    kernel.addLink('eth0', '10.0.0.11/24')
    kernel.open()
    let config: string | undefined
    let now = 0
    const settle = () => {
      for (let step = 0; inputs.length + later.length > 0; step++) {
        expect(step).toBeLessThan(100)
        const input = inputs.shift()
        if (input === undefined) later.shift()?.()
        for (const effect of input === undefined ? [] : engine.handle(input, now++)) {
          if (effect.kind === 'routes' || effect.kind === 'nft') kernel.perform(effect)
          if (effect.kind === 'cni') config = effect.config
        }
      }
    }
    const shown = () => {
      for (let tick = 0; tick < 5; tick++) feed({ kind: 'tick' })
      feed({ kind: 'client-drained', client: 1 })
      settle()
      const effects = engine.handle({ kind: 'command', client: 1, line: 'json show route' }, now++)
      return effects.flatMap((effect) => (effect.kind === 'reply' ? (effect.text.match(/10\.244\.\d+\.0/g) ?? []) : []))
    }
    feed({ kind: 'client-opened', client: 1, restricted: false })
    settle()
    expect(config).toBeDefined()
    expect(kernel.own).toHaveLength(1)
    expect(shown()).toEqual([])
    feed({ kind: 'cni', path: '/x', config, error })
    expect(shown()).toEqual(['10.244.1.0'])
  })

  test('error is told once, and once it is over', () => {
    const turn = start('ptp')
    turn(objects(WORKER))
    turn({ kind: 'synced' })
    const input = { kind: 'cni', path: '/x/10-godwit.conflist', config: '{}' } as const
    const codes = (effects: readonly Effect[]) =>
      effects.filter((effect) => effect.kind === 'log').map(({ line }) => `${line.level} ${line.code}`)
    expect(codes(turn({ ...input, error: 'disk full' }))).toEqual(['error object-problem'])
    expect(codes(turn({ ...input, error: undefined }))).toEqual(['info cni-written', 'info object-problem-gone'])
  })
})

describe('the file', () => {
  const CONFIG = renderConflist(prefixes('10.244.1.0/24'), 'ptp') as string
  const OTHER = renderConflist(prefixes('10.244.2.0/24'), 'ptp') as string
  const FOREIGN = '{"cniVersion":"1.0.0","name":"mine","plugins":[]}'
  let directory: string
  let path: string
  let heard: Extract<Input, { kind: 'cni' }>[]
  let file: CniFile

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'godwit-cni-'))
    path = join(directory, CNI_FILE)
    heard = []
  })
  afterEach(async () => {
    await file.stop()
    await rm(directory, { recursive: true, force: true })
  })

  const keep = (at = directory, recheck = 10) => {
    const feed = (input: Input) => {
      if (input.kind === 'cni') heard.push(input)
    }
    file = new CniFile({ directory: at, feed, recheck })
  }
  const want = async (config: string | undefined) => {
    const before = heard.length
    file.perform({ kind: 'cni', config })
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(before))
    return heard.at(-1)
  }
  const files = () => readdir(directory)

  test('is written whole, for root alone, with nothing left beside it', async () => {
    keep()
    expect(await want(CONFIG)).toEqual({ kind: 'cni', path, config: CONFIG, error: undefined })
    expect(await readFile(path, 'utf8')).toBe(CONFIG)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await files()).toEqual([CNI_FILE])
  })

  test('is replaced by renaming, and not touched where it is right already', async () => {
    keep()
    await want(CONFIG)
    const { ino } = await stat(path)
    await want(CONFIG)
    expect((await stat(path)).ino).toBe(ino)
    await want(OTHER)
    expect(await readFile(path, 'utf8')).toBe(OTHER)
    expect((await stat(path)).ino).not.toBe(ino)
  })

  test('the last of several wishes is the one that holds', async () => {
    keep()
    for (const config of [CONFIG, OTHER, undefined, CONFIG]) file.perform({ kind: 'cni', config })
    await vi.waitFor(() => expect(heard.at(-1)?.config).toBe(CONFIG))
    expect(await readFile(path, 'utf8')).toBe(CONFIG)
  })

  test('makes the folder', async () => {
    const deep = join(directory, 'a', 'net.d')
    keep(deep)
    expect((await want(CONFIG))?.error).toBeUndefined()
    expect(await readFile(join(deep, CNI_FILE), 'utf8')).toBe(CONFIG)
  })

  test.each(['removed', 'changed'])('comes back when it was %s', async (how) => {
    keep()
    await want(CONFIG)
    if (how === 'removed') await rm(path)
    else await writeFile(`${path}.new`, OTHER).then(() => rename(`${path}.new`, path))
    await vi.waitFor(async () => expect(await readFile(path, 'utf8')).toBe(CONFIG))
    expect(heard).toHaveLength(1)
  })

  test('goes at any moment of a look, and that is never error', async () => {
    keep()
    await want(CONFIG)
    for (let time = 0; time < 200; time++) {
      await rm(path, { force: true })
      await vi.waitFor(async () => expect(await readFile(path, 'utf8')).toBe(CONFIG), { interval: 1 })
    }
    expect(heard).toHaveLength(1)
  })

  test.each<[string, (at: string) => unknown]>([
    ['a named pipe', (at) => execFileSync('mkfifo', [at])],
    ['a folder', (at) => mkdir(at)],
  ])('%s of its name is left where it is', async (_, make) => {
    await make(path)
    keep()
    expect((await want(CONFIG))?.error).toMatch(/not ours .*not changed/)
    expect((await stat(path)).isFile()).toBe(false)
  })

  test('is removed when there shall be none', async () => {
    keep()
    await want(CONFIG)
    expect((await want(undefined))?.error).toBeUndefined()
    expect(await files()).toEqual([])
    expect((await want(undefined))?.error).toBeUndefined()
  })

  test('stays when the agent ends', async () => {
    keep()
    await want(CONFIG)
    await file.stop()
    expect(await readFile(path, 'utf8')).toBe(CONFIG)
  })

  test.each([
    ['replaced', CONFIG],
    ['removed', undefined],
  ])('of somebody else is not %s, until he takes it away', async (_name, config) => {
    await writeFile(path, FOREIGN)
    keep()
    expect((await want(config))?.error).toMatch(/not ours .*not changed/)
    expect(await readFile(path, 'utf8')).toBe(FOREIGN)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(heard).toHaveLength(1)
    await rm(path)
    await vi.waitFor(() => expect(heard.at(-1)).toMatchObject({ config, error: undefined }))
  })

  test('a link is not followed', async () => {
    const target = join(directory, 'target')
    await writeFile(target, CONFIG)
    await symlink(target, path)
    keep()
    expect((await want(OTHER))?.error).toMatch(/not ours/)
    expect(await readFile(target, 'utf8')).toBe(CONFIG)
  })

  test('a folder that is none is named, and found once it is one', async () => {
    const blocked = join(directory, 'net.d')
    await writeFile(blocked, '')
    keep(blocked)
    expect((await want(CONFIG))?.error).toBe(`cannot write ${join(blocked, CNI_FILE)}: Not a directory`)
    await rm(blocked)
    await vi.waitFor(() => expect(heard.at(-1)?.error).toBeUndefined())
  })
})
