/** What only files can do to a source. The rest is in the contract of sources. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { appendFile, mkdir, mkdtemp, open, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { readUpTo } from '../../../src/edge/manifests/read-up-to.ts'
import { Manifests } from '../../../src/edge/manifests/source.ts'
import { KnownObjects } from '../../support/known-objects.ts'
import { node, peer, service } from '../../support/manifests.ts'

const QUIET = 20

describe('the folder of manifests', () => {
  let directory: string
  let known: KnownObjects
  let source: Manifests | undefined

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'godwit-manifests-'))
    known = new KnownObjects()
  })
  afterEach(async () => {
    await source?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  const path = (name: string) => join(directory, name)
  const write = (name: string, ...documents: readonly unknown[]) =>
    writeFile(path(name), documents.map((one) => (typeof one === 'string' ? one : stringify(one))).join('---\n'))
  const has = (key: string) => known.until(`${key} is there`, () => known.objects.has(key))
  const hasNot = (key: string) => known.until(`${key} is gone`, () => !known.objects.has(key))
  const troubled = (at: string) => known.until(`error at ${at}`, () => known.problems.has(at))
  const noTrouble = () => known.until('no error', () => known.problems.size === 0)
  const keys = () => [...known.objects.keys()].sort()

  async function start(quiet = QUIET, apiGroup = 'godwit.dev'): Promise<void> {
    source = new Manifests({ directory, apiGroup, feed: known.feed, quiet, rescan: 100 })
    await known.until('synced', () => known.synced)
  }

  test('several documents in a file, each with the place it comes from', async () => {
    await write('all.yaml', peer('one'), '# nothing here\n', peer('three'))
    await start()
    expect(keys()).toEqual(['BGPPeer/one', 'BGPPeer/three'])
    expect(known.origins.get('BGPPeer/one')).toBe('all.yaml#1')
    expect(known.origins.get('BGPPeer/three')).toBe('all.yaml#3')
  })

  test.each([
    ['yaml', stringify(peer('rack'))],
    ['yml', stringify(peer('rack'))],
    ['json', JSON.stringify(peer('rack'), undefined, 2)],
  ])('a file that ends in .%s', async (end, text) => {
    await writeFile(path(`one.${end}`), text)
    await start()
    expect(known.objects.get('BGPPeer/rack')).toEqual(peer('rack'))
  })

  test('what a read would wait for is no manifest: all else is read, and the source ends', async () => {
    await write('one.yaml', peer('one'))
    await promisify(execFile)('mkfifo', [path('pipe.yaml')])
    await symlink('/dev/zero', path('zero.yaml'))
    // To the owner of the machine this is a plain file, and its reader waits for the kernel's next word.
    await symlink('/proc/kmsg', path('word.yaml'))
    await start()
    expect(keys()).toEqual(['BGPPeer/one'])
    expect([...known.problems.keys()].filter((at) => at !== 'word.yaml')).toEqual([])
  })

  test('a file that keeps changing is not read before it rests, and that is said', async () => {
    await write('one.yaml', peer('one'))
    await start(5)
    const writing = setInterval(() => void appendFile(path('one.yaml'), '# more\n'), 1)
    await troubled('one.yaml')
    clearInterval(writing)
    expect(known.problems.get('one.yaml')).toMatch(
      /^keeps changing, and is not read before it rests; its last good objects/,
    )
    await noTrouble()
    expect(keys()).toEqual(['BGPPeer/one'])
  })

  test('too many files are no folder of manifests: what was read before stays', async () => {
    await write('one.yaml', peer('one'))
    await start()
    for (let index = 0; index < 10_000; index++) writeFileSync(path(`m${index}.yaml`), '')
    await troubled(directory)
    expect(known.problems.get(directory)).toContain('it holds more than 10000 manifests')
    expect(keys()).toEqual(['BGPPeer/one'])
    await unlink(path('m7.yaml'))
    await noTrouble()
  })

  test.each([
    ['as long as allowed', 200_000, 'text'],
    ['longer by one', 199_999, 'undefined'],
    ['without an end', 1, 'undefined'],
  ])('a file %s', async (_, most, found) => {
    await writeFile(path('x'), 'x'.repeat(200_000))
    expect((await readUpTo(path('x'), most)) === undefined ? 'undefined' : 'text').toBe(found)
  })

  test('a List, and a list of one kind whose items do not say what they are', async () => {
    const { apiVersion: _v, kind: _k, ...bare } = peer('bare')
    await write(
      'lists.yaml',
      { apiVersion: 'v1', kind: 'List', items: [peer('one'), node('worker-1')] },
      { apiVersion: 'godwit.dev/v1', kind: 'BGPPeerList', items: [bare] },
    )
    await start()
    expect(keys()).toEqual(['BGPPeer/bare', 'BGPPeer/one', 'Node/worker-1'])
    expect(known.origins.get('Node/worker-1')).toBe('lists.yaml#1.items[1]')
    expect(known.objects.get('BGPPeer/bare')).toEqual(peer('bare'))
  })

  test.each([
    [
      'a version of ours that there is not',
      { apiVersion: 'godwit.dev/v2', kind: 'BGPPeer' },
      'BGPPeer: apiVersion "godwit.dev/v2" is not godwit.dev/v1',
    ],
    [
      'a list of one',
      { apiVersion: 'godwit.dev/v2', kind: 'BGPPeerList' },
      'BGPPeerList: apiVersion "godwit.dev/v2" is not godwit.dev/v1',
    ],
    [
      'an old version of Kubernetes',
      { apiVersion: 'discovery.k8s.io/v1beta1', kind: 'EndpointSlice' },
      'EndpointSlice: apiVersion "discovery.k8s.io/v1beta1" is not discovery.k8s.io/v1',
    ],
    ['the core group', { apiVersion: 'v2', kind: 'Node' }, 'Node: apiVersion "v2" is not v1'],
    [
      'a kind of ours that there is not',
      { apiVersion: 'godwit.dev/v1', kind: 'BGPPear' },
      'kind "BGPPear" is none of BGPConfiguration, BGPPeer, BGPFilter, BGPAdvertisement, IPPool',
    ],
  ])('a slip of the pen is named: %s', async (_, head, text) => {
    await write('slip.yaml', { ...head, metadata: { name: 'x' } })
    await start()
    expect([...known.problems]).toEqual([['slip.yaml#1', text]])
  })

  test('what is none of ours is passed over in silence', async () => {
    await write('other.yaml', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } })
    await write('knative.yaml', { apiVersion: 'serving.knative.dev/v1', kind: 'Service', metadata: { name: 'x' } })
    await write('calico.yaml', { ...peer('theirs'), apiVersion: 'projectcalico.org/v3', kind: 'NetworkPolicy' })
    await write('.hidden.yaml', peer('hidden'))
    await write('peer.yaml.bak', peer('backup'))
    await mkdir(path('folder.yaml'))
    await start()
    expect(keys()).toEqual([])
    expect(known.problems.size).toBe(0)
  })

  test('Calico’s objects are passed over with a word, once for a file', async () => {
    const theirs = { ...peer('theirs'), apiVersion: 'projectcalico.org/v3' }
    await write('calico.yaml', peer('ours'), theirs, { ...theirs, kind: 'IPPool' }, { ...theirs, kind: 'HostEndpoint' })
    await start()
    expect(keys()).toEqual(['BGPPeer/ours'])
    const error = known.changes.find((change) => change.kind === 'source-problem')
    expect(error).toMatchObject({ at: 'calico.yaml#2', level: 'warning' })
    expect(error).toMatchObject({
      text:
        'BGPPeer of projectcalico.org/v3 and 1 more like it in this file are ignored: the agent reads objects of ' +
        'godwit.dev/v1; start the agent with --api-group projectcalico.org to read them, or write godwit.dev/v1',
    })
    await write('calico.yaml', peer('ours'))
    await noTrouble()
  })

  test('Nodes as calicoctl shows them are named, once for a file: kubectl shows them as they are', async () => {
    const shown = { ...peer('worker-1'), apiVersion: 'projectcalico.org/v3', kind: 'Node' }
    await write('nodes.yaml', { apiVersion: 'projectcalico.org/v3', kind: 'NodeList', items: [shown] }, shown)
    await start(QUIET, 'projectcalico.org')
    expect(keys()).toEqual([])
    expect([...known.problems]).toEqual([
      [
        'nodes.yaml#1',
        'NodeList of projectcalico.org/v3 is ignored: calicoctl shows Nodes so; write them as `kubectl get nodes -o yaml` does',
      ],
    ])
  })

  test('in a folder, objects of either of Calico’s groups are read', async () => {
    const [newer, older] = ['projectcalico.org/v3', 'crd.projectcalico.org/v1'].map((apiVersion) => ({
      ...peer('x'),
      apiVersion,
    }))
    await write('newer.yaml', { ...newer, kind: 'IPAMBlock' }, newer)
    await write('older.yaml', { ...older, kind: 'BlockAffinity' }, { ...older, kind: 'IPPool' })
    await start(QUIET, 'projectcalico.org')
    expect(keys()).toEqual(['BGPPeer/x', 'BlockAffinity/x', 'IPAMBlock/x', 'IPPool/x'])
    expect(known.problems.size).toBe(0)
  })

  test('an object in both groups of Calico’s, as a dump of both shows it, is one object; two that differ are two', async () => {
    const [newer, older] = ['projectcalico.org/v3', 'crd.projectcalico.org/v1'].map((apiVersion) => ({
      ...peer('x'),
      apiVersion,
    }))
    await write('dump.yaml', { apiVersion: 'v1', kind: 'List', items: [newer, older] })
    await start(QUIET, 'projectcalico.org')
    expect([keys(), known.problems.size]).toEqual([['BGPPeer/x'], 0])
    await write('dump.yaml', newer, { ...older, spec: { peerIP: '10.0.0.9', asNumber: 1 } })
    await known.until('told', () => known.problems.size === 1)
    expect([...known.problems.values()]).toEqual(['BGPPeer/x is also in dump.yaml#1, and that one is used'])
    await write('dump.yaml', older, older)
    await known.until('told anew', () => known.origins.get('BGPPeer/x') === 'dump.yaml#1' && known.problems.size === 1)
  })

  test('beside Calico’s objects, a BGPAdvertisement stands in our own group; our other kinds are passed over', async () => {
    const theirs = { ...peer('theirs'), apiVersion: 'projectcalico.org/v3' }
    const advertisement = { ...peer('both'), kind: 'BGPAdvertisement' }
    await write('all.yaml', theirs, advertisement, peer('ours'), { ...advertisement, kind: 'BGPAdvertisment' })
    await start(QUIET, 'projectcalico.org')
    expect(keys()).toEqual(['BGPAdvertisement/both', 'BGPPeer/theirs'])
    expect(known.objects.get('BGPAdvertisement/both')).toEqual(advertisement)
    expect(known.problems.get('all.yaml#3')).toMatch(
      /^BGPPeer of godwit.dev\/v1 is ignored: .*projectcalico.org\/v3; start the agent with --api-group godwit.dev /,
    )
    expect(known.problems.get('all.yaml#4')).toMatch(/^kind "BGPAdvertisment" is none of BGPAdvertisement/)
  })

  test('a namespaced object without a namespace is in default, and says so', async () => {
    const { namespace: _n, ...metadata } = service('x', 'web').metadata
    await write('web.yaml', { ...service('x', 'web'), metadata })
    await start()
    expect(known.objects.get('Service/default/web')).toMatchObject({ metadata: { namespace: 'default' } })
  })

  test('a file that breaks keeps its last good objects, and is named with the line', async () => {
    await write('peers.yaml', peer('one'), peer('two'))
    await write('nodes.yaml', node('worker-1'))
    await start()
    known.takeChanges()
    await writeFile(path('peers.yaml'), 'apiVersion: godwit.dev/v1\nkind: BGPPeer\nmetadata: {name: one\nspec: 1\n')
    await troubled('peers.yaml#1')
    expect(known.problems.get('peers.yaml#1')).toMatch(/^line 4: .*; its last good objects \(2\) stay in force$/)
    await write('nodes.yaml', node('worker-2'))
    await has('Node/worker-2')
    expect(keys()).toEqual(['BGPPeer/one', 'BGPPeer/two', 'Node/worker-2'])
    await write('peers.yaml', peer('one'))
    await hasNot('BGPPeer/two')
    await noTrouble()
  })

  test.each<[string, (moved: object) => string]>([
    ['has a fault', (rest) => `${JSON.stringify(rest)}\n---\nkind: [\n`],
    ['is empty', () => ''],
  ])('an object that has moved counts where it is, while the file that had it %s', async (_, broken) => {
    await write('a.yaml', peer('moved'), peer('stays'))
    await start()
    await writeFile(path('b.yaml'), JSON.stringify(peer('moved', { peerIP: '10.0.0.9', asNumber: 65009 })))
    await writeFile(path('a.yaml'), broken(peer('stays')))
    const asNumber = () => (known.objects.get('BGPPeer/moved') as { spec: { asNumber: number } }).spec.asNumber
    await known.until('moved', () => asNumber() === 65009)
    await known.until('trouble', () => known.problems.size > 0)
    expect([...known.problems.values()].join()).not.toMatch(/also in|\(2\)/)
    expect(keys()).toEqual(['BGPPeer/moved', 'BGPPeer/stays'])
    // Without the new place it may still be in the old one: a fault deletes nothing.
    await rm(path('b.yaml'))
    await known.until('back', () => asNumber() !== 65009)
    await write('a.yaml', peer('stays'))
    await hasNot('BGPPeer/moved')
    await noTrouble()
  })

  test('a file broken from the start is error, and the others count', async () => {
    await writeFile(path('bad.yaml'), 'a: [1\nb: 2\n')
    await write('good.yaml', peer('rack'))
    await start()
    expect(keys()).toEqual(['BGPPeer/rack'])
    expect(known.problems.get('bad.yaml#1')).toMatch(/^line \d: /)
  })

  test('a file written in pieces is not taken before it is whole', async () => {
    await write('peers.yaml', peer('one'), peer('two'), peer('three'))
    await start(500)
    known.takeChanges()
    const text = [peer('one'), peer('two'), peer('three', { peerIP: '10.0.0.9', asNumber: 9 })].map((one) =>
      stringify(one),
    )
    const whole = text.join('---\n')
    const file = await open(path('peers.yaml'), 'w')
    for (let at = 0; at < whole.length; at += 120) {
      await file.write(whole.slice(at, at + 120))
      // Looks that others bring about do not shorten the wait.
      for (let other = 0; other < 10; other++) {
        await write('other.yaml', node(`worker-${other}`))
        await new Promise((resolve) => setTimeout(resolve, 6))
      }
    }
    await file.close()
    await known.until('the new third', () => JSON.stringify(known.objects.get('BGPPeer/three')).includes('10.0.0.9'))
    const changes = known.changes.filter((change) => change.kind === 'delete' || 'ref' in change)
    expect(changes.filter((change) => 'ref' in change && change.ref.kind === 'BGPPeer')).toHaveLength(1)
    expect(known.changes.filter((change) => change.kind === 'source-problem')).toEqual([])
  })

  test('a file that became empty keeps its objects until it is removed', async () => {
    await write('peers.yaml', peer('rack'))
    await start()
    await writeFile(path('peers.yaml'), '')
    await troubled('peers.yaml')
    expect(known.problems.get('peers.yaml')).toContain('is empty; remove the file to remove its objects')
    expect(keys()).toEqual(['BGPPeer/rack'])
    await unlink(path('peers.yaml'))
    await hasNot('BGPPeer/rack')
    await noTrouble()
  })

  test('a file that an editor empties before it writes it was never in error', async () => {
    await write('peers.yaml', peer('rack'))
    await start()
    known.takeChanges()
    await writeFile(path('peers.yaml'), '')
    await new Promise((resolve) => setTimeout(resolve, QUIET * 4))
    await write('peers.yaml', peer('rack'), peer('second'))
    await has('BGPPeer/second')
    expect(known.takeChanges().map(({ kind }) => kind)).toEqual(['upsert'])
  })

  const deleted = () => known.takeChanges().filter(({ kind }) => kind === 'delete')
  const isIn = (key: string, from: string) =>
    known.until(`${key} is in ${from}`, () => known.origins.get(key)?.startsWith(from) === true)

  test.each([
    ['a.yaml', 'b.yaml'],
    ['b.yaml', 'a.yaml'],
  ])('a file removed some time before another one has its objects deletes none: %s, then %s', async (old, next) => {
    await write(old, peer('rack'))
    await start(50)
    known.takeChanges()
    await unlink(path(old))
    await write('later.yaml', peer('later'))
    await has('BGPPeer/later')
    await write(next, peer('rack'))
    await isIn('BGPPeer/rack', next)
    await unlink(path('later.yaml'))
    await hasNot('BGPPeer/later')
    expect(deleted()).toEqual([{ kind: 'delete', ref: expect.objectContaining({ name: 'later' }) }])
    expect(keys()).toEqual(['BGPPeer/rack'])
    expect(known.inputs.filter((kind) => kind === 'objects').length).toBeLessThan(6)
    expect([...known.problems]).toEqual([])
  })

  test('a file removed and then written with an error deletes nothing', async () => {
    await write('peers.yaml', peer('rack'))
    await start(50)
    await unlink(path('peers.yaml'))
    await write('later.yaml', peer('later'))
    await has('BGPPeer/later')
    await write('peers.yaml', 'kind: [\n')
    await known.until('an error', () =>
      [...known.problems.values()].some((text) => text.includes('last good objects (1)')),
    )
    expect(keys()).toEqual(['BGPPeer/later', 'BGPPeer/rack'])
  })

  test.each([
    ['removed', () => unlink(path('a.yaml'))],
    ['edited', () => write('a.yaml', node('worker-1'))],
  ])('an object of a file that is %s waits for a file that is being written, and not forever', async (_how, change) => {
    await write('a.yaml', peer('rack'), peer('gone'))
    await write('m.yaml', peer('other'))
    await start(5)
    known.takeChanges()
    const writing = setInterval(() => void appendFile(path('z.yaml'), '# more\n'), 1)
    await change()
    await write('m.yaml')
    await troubled('m.yaml')
    expect(deleted()).toEqual([])
    await write('y.yaml', peer('rack'))
    await hasNot('BGPPeer/gone')
    clearInterval(writing)
    expect(keys()).toContain('BGPPeer/rack')
  })

  test('a thousand services at once are one input: nothing is decided on a part of a folder', async () => {
    await start()
    known.takeChanges()
    const before = known.inputs.length
    const services = Array.from({ length: 1000 }, (_, index) => service('shop', `web-${index}`))
    await write('all.yaml', { apiVersion: 'v1', kind: 'List', items: [...services, peer('rack')] })
    await has('Service/shop/web-999')
    expect(known.takeChanges()).toHaveLength(1001)
    expect(known.inputs.slice(before)).toEqual(['objects'])
  })

  test('a file replaced by renaming is one change', async () => {
    await write('peers.yaml', peer('rack'))
    await start()
    known.takeChanges()
    await write('peers.yaml.new', peer('rack', { peerIP: '10.0.0.7', asNumber: 7 }))
    await rename(path('peers.yaml.new'), path('peers.yaml'))
    await known.until('changed', () => JSON.stringify(known.objects.get('BGPPeer/rack')).includes('10.0.0.7'))
    expect(known.takeChanges()).toHaveLength(1)
  })

  test('a ConfigMap volume swaps all its files at once', async () => {
    for (const [version, as] of [['..v1', 1] as const, ['..v2', 2] as const]) {
      await mkdir(path(version))
      await write(`${version}/peers.yaml`, peer('rack', { peerIP: '10.0.0.1', asNumber: as }))
    }
    await symlink('..v1', path('..data'))
    await symlink('..data/peers.yaml', path('peers.yaml'))
    await start()
    expect(known.objects.get('BGPPeer/rack')).toMatchObject({ spec: { asNumber: 1 } })
    await symlink('..v2', path('..data_tmp'))
    await rename(path('..data_tmp'), path('..data'))
    await known.until('swapped', () => JSON.stringify(known.objects.get('BGPPeer/rack')).includes('"asNumber":2'))
  })

  test.each([
    ['no name', { ...peer('x'), metadata: {} }, 'BGPPeer: metadata.name must be text, found nothing'],
    ['no metadata', { ...peer('x'), metadata: undefined }, 'BGPPeer: metadata.name must be text, found nothing'],
    [
      'a name that is a number',
      { ...peer('x'), metadata: { name: 12 } },
      'BGPPeer: metadata.name must be text, found 12',
    ],
    ['no kind', { apiVersion: 'v1' }, 'kind must be text, found nothing'],
    ['no apiVersion', { kind: 'Node' }, 'apiVersion must be text, found nothing'],
    ['a text, which may be a key', 'just words\n', 'is not an object, found a text'],
    ['items that are none', { apiVersion: 'v1', kind: 'List', items: 3 }, 'items must be a list, found 3'],
    [
      'a wrong namespace',
      { ...service('x', 'web'), metadata: { name: 'web', namespace: 7 } },
      'Service/web: metadata.namespace must be text, found 7',
    ],
  ])('a document at fault is named with file and document, the others count: %s', async (_name, bad, text) => {
    await write('mixed.yaml', peer('good'), bad)
    await start()
    expect([...known.problems]).toEqual([['mixed.yaml#2', text]])
    expect(keys()).toEqual(['BGPPeer/good'])
  })

  test('of two objects with one name the first file counts, and the second is told', async () => {
    await write('b.yaml', peer('rack', { peerIP: '10.0.0.2', asNumber: 2 }))
    await write('a.yaml', peer('rack', { peerIP: '10.0.0.1', asNumber: 1 }))
    await start()
    expect(known.objects.get('BGPPeer/rack')).toMatchObject({ spec: { asNumber: 1 } })
    expect([...known.problems]).toEqual([['b.yaml#1', 'BGPPeer/rack is also in a.yaml#1, and that one is used']])
    // Nothing has changed for the source when it looks again.
    known.changes = []
    await write('c.yaml', peer('third'))
    await has('BGPPeer/third')
    expect(known.changes.map(({ kind }) => kind)).toEqual(['upsert'])
    await unlink(path('a.yaml'))
    await known.until('the other', () => known.origins.get('BGPPeer/rack') === 'b.yaml#1')
    expect(known.objects.get('BGPPeer/rack')).toMatchObject({ spec: { asNumber: 2 } })
    await noTrouble()
  })

  test('aliases that blow up are refused', async () => {
    const nine = (item: string) => `[${Array(9).fill(item)}]`
    const levels = Array.from(
      { length: 9 },
      (_, level) => `l${level}: &l${level} ${nine(level === 0 ? 'x' : `*l${level - 1}`)}`,
    )
    await writeFile(path('bomb.yaml'), `${levels.join('\n')}\n`)
    await write('good.yaml', peer('rack'))
    await start()
    expect(known.problems.get('bomb.yaml#1')).toMatch(/^line \d+: l\d.*: aliases make more than 200000 values$/)
    expect(keys()).toEqual(['BGPPeer/rack'])
  })

  test('a document nested beyond reason is error or an object, never the end', async () => {
    await writeFile(path('deep.yaml'), `a: ${'['.repeat(20_000)}${']'.repeat(20_000)}\n`)
    await write('good.yaml', peer('rack'))
    await start()
    expect(keys()).toEqual(['BGPPeer/rack'])
    expect(known.problems.size).toBe(1)
  })

  test('values behind aliases are no deeper than written ones', async () => {
    const nested = (inside: string) => '['.repeat(40) + inside + ']'.repeat(40)
    const lines = Array.from(
      { length: 10 },
      (_, index) => `  - &a${index} ${nested(index === 0 ? '1' : `*a${index - 1}`)}`,
    )
    await writeFile(
      path('deep.yaml'),
      `kind: BGPPeer\napiVersion: godwit.dev/v1\nmetadata: {name: deep}\nspec:\n${lines.join('\n')}\n`,
    )
    await start()
    expect([...known.problems.values()]).toEqual([expect.stringMatching(/nested|deep/i)])
  })

  test.each([
    ['a selector without quotes', 'nodeSelector: !all()', /^line 6: spec\.nodeSelector: the tag !all\(\) is not known/],
    ['a selector behind ! and a blank', 'nodeSelector: ! all()', /^line 6: spec\.nodeSelector: the tag ! is not known/],
    ['an empty text with a tag', 'nodeSelector: !', /^line 6: spec\.nodeSelector: the tag ! is not known/],
    ['an alias of nothing merged', '<<: *none', /^line 6: spec\.<<: the alias \*none has no anchor before it/],
    ['a merge of nothing', '<<:', /Merge sources must be maps/],
    ['a merge of a number', '<<: 5', /Merge sources must be maps/],
    ['a key twice', 'peerIP: 10.0.0.9', /^line 6: spec\.peerIP: is given twice/],
    ['a fraction', 'listenPort: 1790.0', /^line 6: spec\.listenPort: 1790\.0 is not a whole number/],
    ['a leading zero', 'listenPort: 0179', /^line 6: spec\.listenPort: 0179 is another number in YAML 1\.1/],
    ['octal of YAML 1.2', 'listenPort: 0o263', /^line 6: spec\.listenPort: 0o263 is another number in YAML 1\.1/],
    ['a line that is cut off', 'nodeSel', /^line [67]: spec.*: /],
    ['a quoted text that is cut off', 'nodeSelector: "rack ==', /^line [67]: spec\.nodeSelector: /],
  ])('what YAML lets pass and nobody means is a fault of its document: %s', async (_name, line, words) => {
    const [apiVersion, kind] = ['apiVersion: godwit.dev/v1', 'kind: BGPPeer']
    const good = [apiVersion, kind, 'metadata: {name: one}', 'spec:', '  peerIP: 10.0.0.1', '  asNumber: 64512']
    await writeFile(path('peers.yaml'), `${good.join('\n')}\n---\n${stringify(peer('two'))}`)
    await start()
    known.takeChanges()
    const bad = [...good.slice(0, 5), `  ${line}`]
    await writeFile(path('peers.yaml'), `${bad.join('\n')}\n---\n${stringify(peer('three'))}`)
    await troubled('peers.yaml#1')
    expect(known.problems.get('peers.yaml#1')).toMatch(words)
    expect(known.problems.get('peers.yaml#1')).toMatch(/; its last good objects \(2\) stay in force$/)
    // The document behind it counts, and none that it may stand for is deleted.
    expect(keys()).toEqual(['BGPPeer/one', 'BGPPeer/three', 'BGPPeer/two'])
    expect(known.objects.get('BGPPeer/one')).toMatchObject({ spec: { peerIP: '10.0.0.1', asNumber: 64512 } })
    await writeFile(path('peers.yaml'), `${good.join('\n')}\n`)
    await hasNot('BGPPeer/two')
    await noTrouble()
    expect(keys()).toEqual(['BGPPeer/one'])
  })

  test('JSON with a key twice, or a fraction, is a fault as well', async () => {
    const text = JSON.stringify(peer('rack'), undefined, 1)
    await writeFile(path('twice.json'), text.replace('"peerIP"', '"asNumber": 1,\n"peerIP"'))
    await writeFile(path('fraction.json'), text.replace('64512', '64512.0'))
    await start()
    expect(keys()).toEqual([])
    expect(known.problems.get('twice.json#1')).toMatch(/^line \d+: spec\.asNumber: is given twice$/)
    expect(known.problems.get('fraction.json#1')).toMatch(/^line \d+: spec\.asNumber: 64512\.0 is not a whole number/)
  })

  test('a slip in one item of a List costs that item, and deletes nothing', async () => {
    const items = (port: string) =>
      ['a', 'b', 'c'].map((name) => `- ${JSON.stringify(peer(name)).replace('64512', port)}\n`)
    const list = (...texts: string[]) => `apiVersion: v1\nkind: List\nitems:\n${texts.join('')}`
    const [a = '', b = '', c = ''] = items('64512')
    await writeFile(path('list.yaml'), list(a, b, c))
    await start()
    await writeFile(path('list.yaml'), list(a, items('1.10')[1] as string, c))
    await troubled('list.yaml#1.items[1]')
    expect(known.problems.get('list.yaml#1.items[1]')).toMatch(/^line 5: spec\.asNumber: 1\.10 is not a whole number/)
    expect(keys()).toEqual(['BGPPeer/a', 'BGPPeer/b', 'BGPPeer/c'])
  })

  test('what was wrong when all was read first may hide an object; what breaks later hides none', async () => {
    await writeFile(path('a.yaml'), 'apiVersion: godwit.dev/v1\nkind: BGPPeer\nspec: !all()\n')
    await writeFile(path('b.yaml'), 'a: [1\n')
    await write('c.yaml', peer('rack'))
    await start()
    const hides = (at: string) =>
      known.changes.flatMap((change) =>
        change.kind === 'source-problem' && change.at.startsWith(at) ? [change.hides] : [],
      )
    expect(hides('a.yaml')).toEqual([['BGPPeer']])
    expect(hides('b.yaml')).toEqual([expect.arrayContaining(['BGPConfiguration', 'BGPFilter', 'IPPool', 'Node'])])
    await writeFile(path('c.yaml'), 'a: [1\n')
    await troubled('c.yaml#1')
    expect(hides('c.yaml')).toEqual([undefined])
    await write('b.yaml', peer('other'))
    await has('BGPPeer/other')
    await writeFile(path('b.yaml'), 'a: [1\n')
    await troubled('b.yaml#1')
    expect(hides('b.yaml').at(-1)).toBeUndefined()
  })

  test('a kind or a name that is misspelt deletes nothing either', async () => {
    await write('peers.yaml', peer('one'), peer('two'))
    await start()
    await write('peers.yaml', peer('one'), { ...peer('two'), kind: 'BGPPear' })
    await troubled('peers.yaml#2')
    expect(known.problems.get('peers.yaml#2')).toMatch(/; its last good objects \(1\) stay in force$/)
    expect(keys()).toEqual(['BGPPeer/one', 'BGPPeer/two'])
  })

  test('a link to nowhere is error, never a deletion', async () => {
    await mkdir(path('elsewhere'))
    await write('elsewhere/peers.yaml', peer('rack'))
    await symlink('elsewhere/peers.yaml', path('peers.yaml'))
    await symlink('elsewhere/none.yaml', path('never.yaml'))
    await start()
    expect(known.problems.get('never.yaml')).toBe('is a link to a file that does not exist')
    await unlink(path('elsewhere/peers.yaml'))
    await troubled('peers.yaml')
    expect(known.problems.get('peers.yaml')).toMatch(/^is a link to .*; its last good objects \(1\) stay in force$/)
    expect(keys()).toEqual(['BGPPeer/rack'])
    await unlink(path('peers.yaml'))
    await hasNot('BGPPeer/rack')
    await unlink(path('never.yaml'))
    await noTrouble()
  })

  test('a large document that is not for us costs a look at its lines', async () => {
    const lines = (count: number) => Array.from({ length: count }, (_, index) => `  key-${index}: value\n`).join('')
    // Twice the same, and nothing that YAML would read: it is never read.
    const data = `${lines(40_000)}  key-0: value\n  @\n`
    await writeFile(path('map.yaml'), `apiVersion: v1\ndata:\n${data}kind: ConfigMap\n---\n${stringify(peer('rack'))}`)
    await start()
    expect(keys()).toEqual(['BGPPeer/rack'])
    expect(known.problems.size).toBe(0)
  })

  test('a large document of ours is read beside the engine, and each of its keys once', async () => {
    const annotations = Object.fromEntries(Array.from({ length: 40_000 }, (_, index) => [`key-${index}`, 'value']))
    const large = { ...peer('rack'), metadata: { name: 'rack', annotations } }
    await write('large.yaml', large)
    source = new Manifests({ directory, apiGroup: 'godwit.dev', feed: known.feed, quiet: QUIET, rescan: 100 })
    await known.until('synced', () => known.synced, 25_000)
    expect(known.objects.get('BGPPeer/rack')).toEqual(large)
  })

  test('an object larger than Kubernetes would take is refused with a word', async () => {
    await write('huge.yaml', { ...peer('rack'), note: 'x'.repeat(5 * 1024 * 1024) })
    await write('good.yaml', peer('good'))
    await start()
    expect(known.problems.get('huge.yaml#1')).toBe('line 1: is larger than 4194304 bytes')
    expect(keys()).toEqual(['BGPPeer/good'])
  })

  test('a folder that is not there yet is error, and is read once it is', async () => {
    await rm(directory, { recursive: true })
    source = new Manifests({ directory, apiGroup: 'godwit.dev', feed: known.feed, quiet: QUIET, rescan: 20 })
    await troubled(directory)
    expect(known.problems.get(directory)).toBe('cannot read the folder: No such file or directory')
    expect(known.synced).toBe(false)
    await mkdir(directory)
    await write('peers.yaml', peer('rack'))
    await known.until('synced', () => known.synced)
    await has('BGPPeer/rack')
    await noTrouble()
  })

  test('a folder that vanishes leaves everything in force, and one in its place is watched', async () => {
    await write('peers.yaml', peer('rack'))
    await start()
    await rm(directory, { recursive: true })
    await troubled(directory)
    expect(keys()).toEqual(['BGPPeer/rack'])
    await mkdir(directory)
    await write('peers.yaml', peer('rack'), peer('second'))
    await has('BGPPeer/second')
    await appendFile(path('peers.yaml'), `---\n${stringify(peer('third'))}`)
    await has('BGPPeer/third')
    await noTrouble()
  })

  test('a file that an editor has saved as UTF-16 is at fault, and its objects stay', async () => {
    await write('peers.yaml', peer('rack'))
    await start()
    await writeFile(path('peers.yaml'), Buffer.from(`\uFEFF${stringify(peer('rack'))}`, 'utf16le'))
    await troubled('peers.yaml')
    expect(known.problems.get('peers.yaml')).toBe(
      'is not text in UTF-8 (save the file in this encoding); its last good objects (1) stay in force',
    )
    expect(keys()).toEqual(['BGPPeer/rack'])
  })

  test('nothing is told after stop', async () => {
    await start()
    await source?.stop()
    const before = known.inputs.length
    await write('peers.yaml', peer('rack'))
    await new Promise((resolve) => setTimeout(resolve, QUIET * 3))
    expect(known.inputs).toHaveLength(before)
  })
})
