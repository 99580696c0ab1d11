/** One BGPPeer for all racks: what each Node says itself, by label and annotation. */
import { describe, expect, test } from 'vitest'
import { intentOf, problemsOf } from '../support/cluster.ts'
import { type ApiObject, bgpConfiguration, bgpPeer, node } from '../support/objects.ts'

const OFF = bgpConfiguration({ nodeToNodeMeshEnabled: false })
const me = (labels: Record<string, string> = {}, annotations: Record<string, string> = {}) =>
  node('me', { addresses: ['10.0.0.1', 'fd00::1'], labels, annotations })

const peersOf = (spec: object, self: ApiObject, name = 'me') => {
  const intent = intentOf(name, [self, OFF, bgpPeer('rack', spec)])
  const peers = [...intent.peers.values()].map(
    ({ name: peer, address, port, remoteAs, localAs, sourceInterface }) =>
      `${peer} ${address} ${port} ${remoteAs} ${localAs}${sourceInterface === undefined ? '' : ` from ${sourceInterface}`}`,
  )
  return { peers, problems: problemsOf(intent) }
}

test.each([
  ['2001:db8::1%eth0', 'names an interface, which is allowed only for a link-local address'],
  ['fe80::1%bad name', 'is not'],
  ['fe80::1', 'is link-local and must name its interface'],
])('peerIPFrom refuses %s, as peerIP does', (address, why) => {
  const { peers, problems } = peersOf({ peerIPFrom: { annotation: 'tor' }, asNumber: 65000 }, me({}, { tor: address }))
  expect(peers).toEqual([])
  expect(problems.join()).toContain(why)
})

test('a label that the node lacks is missing, whatever its name', () => {
  const { peers, problems } = peersOf({ peerIP: '10.0.0.9', asNumberFrom: { label: 'constructor' } }, me())
  expect(peers).toEqual([])
  expect(problems.join()).toContain('has no such label')
})

describe('values that the node says', () => {
  test.each<[string, object, ApiObject, string[]]>([
    [
      'asNumberFrom a label',
      { peerIP: '10.0.0.9', asNumberFrom: { label: 'example.com/rack-as' } },
      me({ 'example.com/rack-as': '65001' }),
      ['Global_10_0_0_9 10.0.0.9 179 65001 64512'],
    ],
    [
      'asdot in an annotation',
      { peerIP: '10.0.0.9', asNumberFrom: { annotation: 'rack-as' } },
      me({}, { 'rack-as': '1.10' }),
      ['Global_10_0_0_9 10.0.0.9 179 65546 64512'],
    ],
    [
      'all three, of a node that a selector chooses',
      {
        nodeSelector: 'has(rack)',
        peerIPFrom: { annotation: 'example.com/tor' },
        asNumberFrom: { label: 'rack-as' },
        localASNumberFrom: { label: 'own-as' },
        sourceInterface: 'lo',
      },
      me({ rack: '7', 'rack-as': '65007', 'own-as': '65107' }, { 'example.com/tor': '[fd00::9]:1790' }),
      ['Node_fd00__9_port_1790 fd00::9 1790 65007 65107 from lo'],
    ],
    [
      'with the default gateway',
      { peerIP: 'DefaultGateway', asNumberFrom: { label: 'rack-as' }, gatewayFamilies: ['ipv4'] },
      me({ 'rack-as': '65007' }),
      ['Global_DefaultGateway_ipv4 :: 179 65007 64512'],
    ],
  ])('%s', (_, spec, self, expected) => {
    expect(peersOf(spec, self)).toEqual({ peers: expected, problems: [] })
  })

  test.each<[string, object, ApiObject, RegExp]>([
    [
      'no such label',
      { peerIP: '10.0.0.9', asNumberFrom: { label: 'rack-as' } },
      me(),
      /^BGPPeer\/rack spec\.asNumberFrom: "rack-as" Node\/me has no such label; the peer is ignored on this node$/,
    ],
    [
      'a label that is none',
      { peerIP: '10.0.0.9', asNumberFrom: { label: 'rack-as' } },
      me({ 'rack-as': 'seven' }),
      /"rack-as" Node\/me says "seven", which is not an AS number; the peer is ignored/,
    ],
    [
      'an annotation that is neither',
      { peerIPFrom: { annotation: 'tor' }, asNumber: 65000 },
      me({}, { tor: 'tor-7.example.com' }),
      /spec\.peerIPFrom: "tor" Node\/me has no such annotation with an address or an AS number/,
    ],
    [
      'an AS number where an address is meant',
      { peerIPFrom: { annotation: 'tor' }, asNumber: 65000 },
      me({}, { tor: '65000' }),
      /Node\/me says "65000", which is not ip, ip:port or \[ipv6\]:port/,
    ],
    [
      'a link-local address without its interface',
      { peerIPFrom: { annotation: 'tor' }, asNumber: 65000 },
      me({}, { tor: 'fe80::1' }),
      /says "fe80::1", which is link-local and must name its interface: fe80::1%eth0/,
    ],
    [
      'the address of a group',
      { peerIPFrom: { annotation: 'tor' }, asNumber: 65000 },
      me({}, { tor: '224.0.0.1' }),
      /says "224\.0\.0\.1", which /,
    ],
  ])('%s is named, and there is no such neighbor', (_, spec, self, words) => {
    const { peers, problems } = peersOf(spec, self)
    expect(peers).toEqual([])
    expect(problems).toEqual([expect.stringMatching(words)])
  })

  test('the values of others are nobody’s business, and only what can be a value is kept of annotations', () => {
    const spec = { node: 'other', peerIP: '10.0.0.9', asNumberFrom: { label: 'rack-as' } }
    expect(peersOf(spec, me())).toEqual({ peers: [], problems: [] })
  })

  test.each<[object, RegExp]>([
    [
      { peerIP: '10.0.0.9', asNumber: 1, asNumberFrom: { label: 'a' } },
      /asNumberFrom: may not be given together with asNumber or remoteAS/,
    ],
    [{ peerSelector: 'all()', asNumberFrom: { label: 'a' } }, /asNumberFrom: must not be given with peerSelector/],
    [{ peerIP: '10.0.0.9', asNumberFrom: {} }, /asNumberFrom: needs exactly one of label and annotation/],
    [
      { peerIP: '10.0.0.9', asNumberFrom: { label: 'a', annotation: 'b' } },
      /needs exactly one of label and annotation/,
    ],
    [{ peerIP: '10.0.0.9', asNumberFrom: { label: 'a b' } }, /asNumberFrom\.label: "a b" is not the key of a label/],
    [
      { peerIP: '10.0.0.9', peerIPFrom: { label: 'a' }, asNumber: 1 },
      /peerIPFrom: may not be given together with peerIP, interface/,
    ],
    [
      { peerIP: '10.0.0.9', asNumber: 1, sourceInterface: 'lo', sourceAddress: 'None' },
      /sourceInterface: may not be given together with sourceAddress/,
    ],
    [{ peerIP: '10.0.0.9', asNumber: 1, sourceInterface: '3' }, /sourceInterface: "3" is not an interface name/],
    [{ peerIP: 'DefaultGateway' }, /asNumber: must be given with peerIP DefaultGateway, or remoteAS in its place/],
    [
      { peerIP: 'DefaultGateway', asNumber: 1, interface: 'eth0' },
      /interface: may not be given with peerIP DefaultGateway/,
    ],
    [{ peerIP: '10.0.0.9', asNumber: 1, gatewayFamilies: ['ipv4'] }, /gatewayFamilies: needs peerIP DefaultGateway/],
  ])('%j is refused', (spec, words) => {
    expect(peersOf(spec, me()).problems.join('\n')).toMatch(words)
  })
})
