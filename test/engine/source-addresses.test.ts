/** `sourceInterface`: a session from the address of an interface, held while there is none. */
import { describe, expect, test } from 'vitest'
import type { PeerIntent } from '../../src/cluster/intent.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import type { Effect } from '../../src/engine/effect.ts'
import { InterfaceAddressBook } from '../../src/engine/interface-addresses.ts'
import { SourceAddresses } from '../../src/engine/source-addresses.ts'
import { intentOf } from '../support/cluster.ts'
import { linkOf } from '../support/fake-kernel.ts'
import { bgpConfiguration, bgpPeer, node } from '../support/objects.ts'
import { Rig } from '../support/rig.ts'

const NODE = node('me', { addresses: ['10.0.0.1', 'fd00::1'] })
const OFF = bgpConfiguration({ nodeToNodeMeshEnabled: false })

function wanted(spec: object): PeerIntent {
  const [found] = intentOf('me', [NODE, OFF, bgpPeer('a', { asNumber: 65000, ...spec })]).peers.values()
  if (found === undefined) throw new Error('no neighbor')
  return found
}

const linksWith = (...addresses: string[]) => {
  const links = new LinkTable()
  links.take({ full: true, gone: [], present: [linkOf(1, 'lo', true, addresses)] })
  return links
}

const LO = { peerIP: '10.9.9.9', sourceInterface: 'lo' }

describe('the source', () => {
  test.each<[string, object, string[], string | undefined, string | undefined]>([
    ['the only address of the family', LO, ['192.0.2.7/32', 'fd00:7::7/128'], '192.0.2.7', undefined],
    [
      'of the family of the session',
      { ...LO, peerIP: 'fd09::9' },
      ['192.0.2.7/32', 'fd00:7::7/128'],
      'fd00:7::7',
      undefined,
    ],
    ['that of the Node where it is there', LO, ['192.0.2.7/32', '10.0.0.1/32'], '10.0.0.1', undefined],
    ['none of another family', LO, ['fd00:7::7/128'], undefined, 'sourceInterface lo has no permanent IPv4 address'],
    ['none at all', LO, [], undefined, 'sourceInterface lo has no permanent IPv4 address'],
    [
      'of an interface that is not there',
      { ...LO, sourceInterface: 'dummy0' },
      [],
      undefined,
      'sourceInterface dummy0 does not exist on this node',
    ],
  ])('%s', (_, spec, addresses, source, held) => {
    const resolved = new SourceAddresses(linksWith(...addresses)).resolve(wanted(spec))
    expect(resolved.held).toBe(held)
    if (source !== undefined) expect([resolved.sourceAddress, resolved.sourceMayYield]).toEqual([source, false])
  })

  test('before links are known it is only unknown; and who asks for none is as before', () => {
    expect(new SourceAddresses(new LinkTable()).resolve(wanted(LO)).held).toBe(
      'the links of this node are not known yet',
    )
    const plain = wanted({ peerIP: '10.9.9.9' })
    expect(new SourceAddresses(new LinkTable()).resolve(plain)).toBe(plain)
  })

  test('is looked for again when its interface changes, and no longer when the object has gone', () => {
    const sources = new SourceAddresses(linksWith('192.0.2.7/32'))
    const intent = wanted(LO)
    sources.resolve(intent)
    const changed = (name: string) => ({ names: new Set([name]), addresses: new Set<string>(), isFirst: false })
    expect(sources.dependingOn(changed('eth0'))).toEqual([])
    expect(sources.dependingOn(changed('lo'))).toEqual([intent])
    sources.remove(intent.name)
    expect(sources.dependingOn(changed('lo'))).toEqual([])
  })
})

describe('an interface that is not there', () => {
  const links = new LinkTable()
  const [sources, book] = [new SourceAddresses(links), new InterfaceAddressBook(links)]
  const why = () => [sources.resolve(wanted({ ...LO, sourceInterface: 'lo1' })).held, book.addresses.get('lo1')?.why]
  const read = () => links.take({ full: true, gone: [], present: [linkOf(1, 'lo', true, [])] })

  test('is known not to be when the links have been read, and not looked for again at each change', () => {
    book.set(['lo1'])
    expect(why()).toEqual(Array(2).fill('the links of this node are not known yet'))
    const first = read()
    expect([sources.dependingOn(first).length, book.follow(first)]).toEqual([1, true])
    expect(why()).toEqual(['sourceInterface lo1 does not exist on this node', 'it does not exist on this node'])
    const second = read()
    expect([sources.dependingOn(second).length, book.follow(second)]).toEqual([0, false])
  })
})

describe('the interface of a dial', () => {
  test.each<[string, object, string | undefined]>([
    ['that of the source, where the neighbor is on its network', { sourceInterface: 'eth0' }, 'eth0'],
    ['none for one behind a router', { sourceInterface: 'eth0', peerIP: '192.0.2.1' }, undefined],
    ['none where no interface is named', {}, undefined],
  ])('%s', (_, spec, expected) => {
    const dials: unknown[] = []
    const record = (_input: unknown, _now: number, effects: readonly Effect[]) => {
      for (const effect of effects) if (effect.kind === 'dial') dials.push(effect.interface)
    }
    new Rig({ neighbors: 1, spec: { passive: false, ...spec }, record }).pass(10_000)
    expect(dials.length).toBeGreaterThan(0)
    expect(new Set(dials)).toEqual(new Set([expected]))
  })
})
