import { describe, expect, test } from 'vitest'
import { parseAsn, parseSeconds } from '../../src/cluster/parse/fields.ts'
import { type Parsed, parseObject } from '../../src/cluster/parse/object.ts'
import { parsePeerIp } from '../../src/cluster/parse/peer-ip.ts'
import type { Kind } from '../../src/cluster/source.ts'
import {
  bgpAdvertisement,
  bgpConfiguration,
  bgpPeer,
  endpointSlice,
  ipPool,
  node,
  secret,
  service,
} from '../support/objects.ts'

function parse<K extends Kind>(kind: K, object: unknown, name = 'x', namespace = ''): Parsed<K> {
  return parseObject({ kind, namespace, name }, object)
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const textsOf = ({ problems }: Parsed<Kind>): string[] => problems.map(({ text }) => text)
const peerSpec = { peerIP: '10.0.0.254', asNumber: 65000 }
const peer = (spec: object, metadata: { annotations?: Record<string, string> } = {}) =>
  parse('BGPPeer', bgpPeer('rack-1', spec, metadata), 'rack-1')
const configuration = (spec: object, name = 'default') => parse('BGPConfiguration', bgpConfiguration(spec, name), name)

test.each<[unknown, number | undefined]>([
  [1, 1],
  [4294967295, 4294967295],
  ['64512', 64512],
  ['1.10', 65546],
  ['65535.65535', 4294967295],
  [0, undefined],
  ['0.0', undefined],
  ['65536.1', undefined],
  ['1.65536', undefined],
  [4294967296, undefined],
  [64512.1, undefined],
  ['70000x', undefined],
  ['', undefined],
  [null, undefined],
])('AS number %j', (value, expected) => expect(parseAsn(value)).toBe(expected))

test.each<[unknown, number | undefined]>([
  [30, 30],
  ['30', 30],
  ['90s', 90],
  ['1m30s', 90],
  ['1h', 3600],
  ['1m0.0s', 60],
  ['', undefined],
  ['-3s', undefined],
  ['500ms', undefined],
  ['1.5s', undefined],
  [1.5, undefined],
])('time %j', (value, expected) => expect(parseSeconds(value)).toBe(expected))

test.each<[string, ReturnType<typeof parsePeerIp>]>([
  ['10.0.0.1', { address: '10.0.0.1', port: undefined }],
  ['10.0.0.1:1790', { address: '10.0.0.1', port: 1790 }],
  ['2001:DB8::0:1', { address: '2001:db8::1', port: undefined }],
  ['[2001:db8::1]:1790', { address: '2001:db8::1', port: 1790 }],
  ['[2001:db8::1]', { address: '2001:db8::1', port: undefined }],
  ['[10.0.0.1]:179', undefined],
  ['10.0.0.1:0', undefined],
  ['10.0.0.1:65536', undefined],
  ['10.0.0.1:', undefined],
  ['10.0.0.256', undefined],
  ['router.example', undefined],
])('peerIP %s', (text, expected) => expect(parsePeerIp(text)).toEqual(expected))

describe('any object', () => {
  test.each<[string, unknown, string]>([
    ['not an object', 'text', 'BGPPeer/x: "text" is not an object'],
    ['a list', [], 'BGPPeer/x: a list is not an object'],
    ['nothing', null, 'BGPPeer/x: null is not an object'],
    ['another kind', { kind: 'IPPool' }, 'BGPPeer/x kind: "IPPool" is not BGPPeer'],
    [
      'another group',
      { apiVersion: 'metallb.io/v1beta2' },
      'BGPPeer/x apiVersion: "metallb.io/v1beta2" is not godwit.dev/v1 or projectcalico.org/v3 or crd.projectcalico.org/v1',
    ],
    ['no spec', {}, 'BGPPeer/x spec: must be given'],
    ['spec of another type', { spec: 'x' }, 'BGPPeer/x spec: must be given'],
  ])('%s is refused', (_name, object, expected) => {
    const parsed = parse('BGPPeer', object)
    expect(parsed.value).toBeUndefined()
    expect(textsOf(parsed)).toEqual([expected])
  })

  test.each(['godwit.dev/v1', 'projectcalico.org/v3', 'crd.projectcalico.org/v1', undefined])(
    'group %s is ours',
    (apiVersion) => expect(parse('BGPPeer', { apiVersion, spec: peerSpec }).problems).toEqual([]),
  )

  test('a problem has one line, whatever the names and values hold', () => {
    const spec = { ...peerSpec, 'a\nb': 1, sourceAddress: `x\n\u001b[31m${'y'.repeat(500)}` }
    for (const text of textsOf(peer(spec))) {
      expect(text).not.toMatch(/\p{Cc}/u)
      expect(text.length).toBeLessThan(300)
    }
  })

  test('a thousand mistakes fill no log', () => {
    const spec = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`field${index}`, 1]))
    expect(peer({ ...peerSpec, ...spec }).problems).toHaveLength(20)
  })
})

describe('BGPPeer', () => {
  test.each<[string, object, string]>([
    ['AS number', { asNumber: '70000x' }, 'spec.asNumber: "70000x" is not an AS number'],
    [
      'asdot without quotes',
      { asNumber: 1.1 },
      'spec.asNumber: 1.1 is not an AS number (put one with a dot in quotes)',
    ],
    [
      'address',
      { peerIP: '10.0.0.300' },
      'spec.peerIP: "10.0.0.300" is not ip, ip:port, [ipv6]:port or DefaultGateway',
    ],
    [
      'link-local, nowhere',
      { peerIP: 'fe80::1' },
      'spec.peerIP: "fe80::1" is link-local and must name its interface: fe80::1%eth0',
    ],
    [
      'link-local, on a number',
      { peerIP: 'fe80::1%2' },
      'spec.peerIP: "fe80::1%2" names "2", which is not an interface name',
    ],
    [
      'link-local, on two interfaces',
      { peerIP: 'fe80::1%eth0', interface: 'eth1' },
      'spec.peerIP: "fe80::1%eth0" already names its interface: interface must not be given',
    ],
    [
      'zone of a global address',
      { peerIP: 'fd00::1%eth0' },
      'spec.peerIP: "fd00::1%eth0" names an interface, which is allowed only for a link-local address',
    ],
    [
      'interface of a global address',
      { interface: 'eth0' },
      'spec.peerIP: "10.0.0.254" is not link-local: interface must not be given',
    ],
    ['interface', { peerIP: null, interface: 'eth/0' }, 'spec.interface: "eth/0" is not an interface name'],
    [
      'interface of any AS',
      { peerIP: null, interface: 'eth0', asNumber: null },
      'spec.asNumber: must be given with interface, or remoteAS in its place',
    ],
    [
      'interface and nodes',
      { peerIP: null, interface: 'eth0', peerSelector: 'all()', asNumber: null },
      'spec.interface: may not be given together with peerSelector or peerRange',
    ],
    ['no address', { peerIP: null }, 'spec.peerIP: must be given'],
    [
      'node and nodeSelector',
      { node: 'a', nodeSelector: 'all()' },
      'spec.nodeSelector: may not be given together with node',
    ],
    [
      'peerIP and peerSelector',
      { peerSelector: 'all()', asNumber: null },
      'spec.peerSelector: may not be given together with peerIP',
    ],
    [
      'asNumber with peerSelector',
      { peerIP: null, peerSelector: 'all()' },
      'spec.asNumber: must not be given with peerSelector: the Nodes define it',
    ],
    ['hold time', { holdTime: 2 }, 'spec.holdTime: 2 is neither 0 nor at least 3'],
    [
      'hold time too long',
      { holdTime: 65536 },
      'spec.holdTime: 65536 is not a time in whole seconds from 0s to 65535s',
    ],
    [
      'keepalive',
      { keepaliveTime: 'soon' },
      'spec.keepaliveTime: "soon" is not a time in whole seconds from 1s to 21845s',
    ],
    ['family', { addressFamilies: ['ipv4', 'ipx'] }, 'spec.addressFamilies[1]: "ipx" is neither ipv4 nor ipv6'],
    ['no family', { addressFamilies: [] }, 'spec.addressFamilies: names no family'],
    ['source address', { sourceAddress: '10.0.0.1' }, 'spec.sourceAddress: "10.0.0.1" is none of UseNodeIP, None'],
    ['filters', { filters: 'deny' }, 'spec.filters: "deny" is not a list'],
    ['filter', { filters: ['a', 1] }, 'spec.filters[1]: 1 is not text'],
    [
      'max prefixes',
      { maxPrefixes: { ipv4: 0 } },
      'spec.maxPrefixes.ipv4: 0 is not a whole number from 1 to 4294967295',
    ],
    ['route memory', { maxRouteMemoryMiB: 0 }, 'spec.maxRouteMemoryMiB: 0 is not a whole number from 1 to 65536'],
    [
      'max prefixes without limit',
      { maxPrefixes: { ipv6: { warnPercent: 5 } } },
      'spec.maxPrefixes.ipv6.limit: must be given',
    ],
    [
      'warning beyond the limit',
      { maxPrefixes: { ipv6: { limit: 5, warnPercent: 101 } } },
      'spec.maxPrefixes.ipv6.warnPercent: 101 is not a whole number from 1 to 100',
    ],
    [
      'restart in a month',
      { maxPrefixes: { ipv6: { limit: 5, restartMinutes: 50_000 } } },
      'spec.maxPrefixes.ipv6.restartMinutes: 50000 is not a whole number from 0 to 10080',
    ],
    [
      'own AS in paths',
      { numAllowedLocalASNumbers: -1 },
      'spec.numAllowedLocalASNumbers: -1 is not a whole number from 0 to 2147483647',
    ],
    ['remote AS in words', { asNumber: null, remoteAS: 'any' }, 'spec.remoteAS: "any" is none of internal, external'],
    ['remote AS twice', { remoteAS: 'internal' }, 'spec.remoteAS: "internal" may not be given together with asNumber'],
    [
      'remote AS of nodes',
      { peerIP: null, peerSelector: 'all()', asNumber: null, remoteAS: 'internal' },
      'spec.remoteAS: must not be given with peerSelector: the Nodes define it',
    ],
    [
      'add path by a word',
      { addPath: { send: 'ipv4' } },
      'spec.addPath.send: "ipv4" is neither true, false nor a list of ipv4 and ipv6',
    ],
    [
      'add path of a family unknown',
      { addPath: { receive: ['ipx'] } },
      'spec.addPath.receive: a list is neither true, false nor a list of ipv4 and ipv6',
    ],
    ['role', { role: 'boss' }, 'spec.role: "boss" is none of provider, rs-server, rs-client, customer, peer'],
    ['strict without role', { strictRole: true }, 'spec.strictRole: needs role'],
    ['range', { peerIP: null, peerRange: '10.0.0.0/33' }, 'spec.peerRange: "10.0.0.0/33" is not a CIDR'],
    [
      'range and address',
      { peerRange: '10.0.0.0/24' },
      'spec.peerRange: may not be given together with peerIP or peerSelector',
    ],
    [
      'range without AS',
      { peerIP: null, peerRange: '10.0.0.0/24', asNumber: null },
      'spec.asNumber: must be given with peerRange, or remoteAS in its place',
    ],
    [
      'range too wide open',
      { peerIP: null, peerRange: '10.0.0.0/24', peerRangeLimit: 5000 },
      'spec.peerRangeLimit: 5000 is not a whole number from 1 to 4096',
    ],
    ['limit without range', { peerRangeLimit: 5 }, 'spec.peerRangeLimit: 5 needs peerRange'],
    ['passive', { passive: 'yes' }, 'spec.passive: "yes" is neither true nor false'],
    [
      'a selector without a value',
      { nodeSelector: null },
      'spec.nodeSelector: null has no value; remove the field, or set a value',
    ],
    ['a node without a value', { node: null }, 'spec.node: null has no value; remove the field, or set a value'],
    [
      'next hop twice',
      { nextHopMode: 'Self', keepOriginalNextHop: true },
      'spec.keepOriginalNextHop: may not be given together with nextHopMode',
    ],
  ])('%s is refused', (_name, fields, expected) => {
    const parsed = peer({ ...peerSpec, ...fields })
    expect(textsOf(parsed)).toContain(`BGPPeer/rack-1 ${expected}`)
    expect(parsed.value).toBeUndefined()
  })

  test('a selector that does not parse is refused', () => {
    const parsed = peer({ ...peerSpec, nodeSelector: 'rack ==' })
    expect(textsOf(parsed)[0]).toMatch(/^BGPPeer\/rack-1 spec\.nodeSelector: "rack ==" is not a selector: /)
    expect(parsed.value).toBeUndefined()
  })

  test('a password is a name of a key, and TTL security a number of hops', () => {
    const parsed = peer({ ...peerSpec, password: { secretKeyRef: { name: 'a', key: 'b' } }, ttlSecurity: 2 })
    expect(parsed).toMatchObject({
      value: { signing: { kind: 'md5', key: { name: 'a', key: 'b' } }, ttlSecurity: 2, held: undefined },
    })
    expect(textsOf(parsed)).toEqual([])
  })

  test.each<[string, unknown]>([
    ['text', 'hunter2'],
    ['a list', ['hunter2']],
    ['a value in it', { secretKeyRef: { value: 'hunter2' } }],
    ['a number as name', { secretKeyRef: { name: 7, key: 'hunter2' } }],
    ['no key', { secretKeyRef: { name: 'hunter2' } }],
    ['an empty name', { secretKeyRef: { name: '', key: 'hunter2' } }],
  ])('a password that names no key holds the peer down and shows nothing: %s', (_, password) => {
    const parsed = peer({ ...peerSpec, password })
    expect(parsed.value?.held).toBe('password does not name a Secret and its key')
    expect(JSON.stringify(parsed)).not.toContain('hunter2')
    expect(textsOf(parsed)).toEqual([
      'BGPPeer/rack-1 spec.password: needs secretKeyRef with name and key; the peer is held down',
    ])
  })

  const keyRef = { secretKeyRef: { name: 'a', key: 'b' } }

  test('a key chain names keys with their IDs and what signs with them', () => {
    const keyChain = [
      { sendID: 1, ...keyRef },
      { sendID: 2, receiveID: 0, algorithm: 'AES-128-CMAC-96', ...keyRef },
    ]
    const key = { name: 'a', key: 'b' }
    expect(peer({ ...peerSpec, keyChain }).value?.signing).toEqual({
      kind: 'ao',
      keys: [
        { sendId: 1, receiveId: 1, algorithm: 'HMAC-SHA-1-96', key },
        { sendId: 2, receiveId: 0, algorithm: 'AES-128-CMAC-96', key },
      ],
    })
  })

  test.each<[string, unknown, string]>([
    ['text', 'hunter2', 'is not a list of 1 to 8 keys'],
    ['an empty list', [], 'is not a list of 1 to 8 keys'],
    ['nine keys', Array.from({ length: 9 }, (_, sendID) => ({ sendID, ...keyRef })), 'is not a list of 1 to 8 keys'],
    ['the key itself', ['hunter2'], 'is wrong: [0] is not an object'],
    ['no ID', [{ ...keyRef }], 'is wrong: [0] needs a sendID from 0 to 255'],
    ['an ID of 256', [{ sendID: 256, ...keyRef }], 'is wrong: [0] needs a sendID from 0 to 255'],
    ['an ID in quotes', [{ sendID: '1', ...keyRef }], 'is wrong: [0] needs a sendID from 0 to 255'],
    [
      'a receive ID of -1',
      [{ sendID: 1, receiveID: -1, ...keyRef }],
      'is wrong: [0] has a receiveID that is not from 0 to 255',
    ],
    [
      'MD5',
      [{ sendID: 1, algorithm: 'MD5', ...keyRef }],
      'is wrong: [0] has an algorithm that is none of HMAC-SHA-1-96, AES-128-CMAC-96, HMAC-SHA-256-96',
    ],
    ['a value in it', [{ sendID: 1, value: 'hunter2' }], 'is wrong: [0] needs secretKeyRef with name and key'],
    [
      'one send ID twice',
      [1, 2].map((receiveID) => ({ sendID: 1, receiveID, ...keyRef })),
      'is wrong: [1] has the sendID of another key',
    ],
    [
      'one receive ID twice',
      [1, 2].map((sendID) => ({ sendID, receiveID: 3, ...keyRef })),
      'is wrong: [1] has the receiveID of another key',
    ],
  ])('a key chain that cannot be read holds the peer down and shows nothing: %s', (_, keyChain, says) => {
    const parsed = peer({ ...peerSpec, keyChain })
    expect(parsed.value).toMatchObject({ signing: undefined, held: `keyChain ${says}` })
    expect(JSON.stringify(parsed)).not.toContain('hunter2')
    expect(textsOf(parsed)).toEqual([`BGPPeer/rack-1 spec.keyChain: ${says}; the peer is held down`])
  })

  test('a key chain beside a password holds the peer down: which of them counts is not said', () => {
    const parsed = peer({ ...peerSpec, password: keyRef, keyChain: [{ sendID: 1, ...keyRef }] })
    expect(parsed.value).toMatchObject({ signing: undefined, held: 'keyChain may not be given together with password' })
  })

  test.each([256, -1, 1.5, 'near'])('TTL security of %s is refused', (ttlSecurity) => {
    expect(peer({ ...peerSpec, ttlSecurity }).value).toBeUndefined()
  })

  test('TTL security over no hops is none', () => {
    const parsed = peer({ ...peerSpec, ttlSecurity: 0 })
    expect([parsed.value?.held, parsed.problems]).toEqual([undefined, []])
  })

  test('a peer among the pods of a node is left out with the reason, not refused', () => {
    const parsed = peer({ localWorkloadSelector: 'all()', asNumber: 65000 })
    expect(parsed).toMatchObject({ value: undefined, problems: [{ code: 'field-not-carried-out', level: 'warning' }] })
    expect(textsOf(parsed)[0]).toMatch(
      /^BGPPeer\/rack-1 spec\.localWorkloadSelector: has no effect: peering with pods needs Felix/,
    )
  })

  test('an empty localWorkloadSelector is none', () => {
    const parsed = peer({ ...peerSpec, localWorkloadSelector: '' })
    expect([parsed.value?.asNumber, parsed.problems]).toEqual([65000, []])
    expect(textsOf(peer({ localWorkloadSelector: '' }))).toEqual(['BGPPeer/rack-1 spec.peerIP: must be given'])
  })

  test.each([['reachableBy', "the peer is reached by the node's own routes; add one there"]])(
    '%s is said with the reason and left out',
    (field, why) => {
      const parsed = peer({ ...peerSpec, [field]: 'x' })
      expect(parsed.value?.held).toBeUndefined()
      expect(parsed.problems).toEqual([
        {
          code: 'field-not-carried-out',
          object: 'BGPPeer/rack-1',
          field: `spec.${field}`,
          value: '',
          text: `BGPPeer/rack-1 spec.${field}: has no effect: ${why}`,
          level: 'warning',
        },
      ])
    },
  )

  const BFD = { receive: 300_000, transmit: 300_000, multiplier: 3, minimumTtl: undefined, passive: false }
  test.each<[string, object, object]>([
    ['{} means the defaults', {}, BFD],
    [
      'milliseconds as written',
      { receiveInterval: 10, transmitInterval: 10_000, detectMultiplier: 255, minimumTTL: 254, passive: true },
      { receive: 10_000, transmit: 10_000_000, multiplier: 255, minimumTtl: 254, passive: true },
    ],
  ])('bfd: %s', (_name, bfd, expected) => {
    expect(peer({ ...peerSpec, bfd }).value?.bfd).toEqual(expected)
    expect(configuration({ nodeMeshBFD: bfd }).value?.meshBfd).toEqual(expected)
    expect(peer(peerSpec, { annotations: { 'godwit.dev/bfd': JSON.stringify(bfd) } }).value?.bfd).toEqual(expected)
  })

  test.each<[string, unknown, string]>([
    ['receiveInterval', 9, '9 is not a whole number from 10 to 10000'],
    ['transmitInterval', 10_001, '10001 is not a whole number from 10 to 10000'],
    ['detectMultiplier', 0, '0 is not a whole number from 1 to 255'],
    ['minimumTTL', 255, '255 is not a whole number from 1 to 254'],
    ['passive', 'yes', '"yes" is neither true nor false'],
  ])('bfd.%s out of range is refused, on both objects (RFC 5880 §6.8.1)', (field, value, says) => {
    const bfd = { [field]: value }
    expect(textsOf(peer({ ...peerSpec, bfd }))).toEqual([`BGPPeer/rack-1 spec.bfd.${field}: ${says}`])
    const mesh = configuration({ nodeMeshBFD: bfd })
    expect(mesh.problems.map(({ text }) => text)).toEqual([
      `BGPConfiguration/default spec.nodeMeshBFD.${field}: ${says}`,
    ])
  })

  test.each([{ interface: 'eth0' }, { peerIP: 'fe80::1%eth0' }, { peerIP: 'fe80::1', interface: 'eth0' }])(
    'a neighbor on its link is never several hops away: %j',
    (where) => {
      const { peerIP: _, ...rest } = peerSpec
      expect(textsOf(peer({ ...rest, ...where, bfd: { minimumTTL: 200 } }))).toEqual([
        'BGPPeer/rack-1 spec.bfd.minimumTTL: 200 may not be given for a neighbor that is found by its interface',
      ])
    },
  )

  test.each<[number, number, boolean]>([
    [0, 1, true],
    [1, 254, true],
    [1, 253, false],
    [2, 254, true],
    [2, 253, false],
    [3, 253, true],
    [3, 252, false],
    [255, 1, true],
  ])('ttlSecurity %i with a minimumTTL of %i: BFD may not come from further away than BGP', (hops, ttl, isRight) => {
    const says = 'must not accept packets from further away than ttlSecurity does'
    expect(textsOf(peer({ ...peerSpec, ttlSecurity: hops, bfd: { minimumTTL: ttl } }))).toEqual(
      isRight ? [] : [`BGPPeer/rack-1 spec.bfd.minimumTTL: ${ttl} ${says}`],
    )
  })

  test('an unknown field is a warning that shows no value', () => {
    const parsed = peer({ ...peerSpec, pasword: 'hunter2' })
    expect(parsed.value).toBeDefined()
    expect(parsed.problems).toMatchObject([
      { code: 'field-unknown', level: 'warning', field: 'spec.pasword', value: '' },
    ])
    expect(JSON.stringify(parsed)).not.toContain('hunter2')
  })

  test('our additions as fields and as annotations come to the same', () => {
    const additions = {
      holdTime: 30,
      keepaliveTime: '10s',
      connectRetryTime: 2,
      passive: true,
      advertiseLearned: true,
      addressFamilies: ['IPv6', 'ipv4'],
      maxPrefixes: { ipv4: 5 },
      addPath: { receive: true, send: ['IPv6'] },
      extendedNextHop: true,
      role: 'customer',
      strictRole: true,
    }
    const annotations = Object.fromEntries(
      Object.entries(additions).map(([field, value]) => [
        `godwit.dev/${field}`,
        typeof value === 'string' ? value : JSON.stringify(value),
      ]),
    )
    const asFields = peer({ ...peerSpec, ...additions })
    expect(asFields.value).toMatchObject({
      holdTime: 30,
      keepaliveTime: 10,
      connectRetryTime: 2,
      passive: true,
      advertiseLearned: true,
      families: ['ipv4', 'ipv6'],
      maxPrefixes: { ipv4: { limit: 5, warnAt: 4, restartAfter: 600 } },
      addPath: { receive: ['ipv4', 'ipv6'], send: ['ipv6'] },
      extendedNextHop: true,
      role: 'customer',
      strictRole: true,
    })
    expect(peer(peerSpec, { annotations }).value).toEqual(asFields.value)
    expect([peer(peerSpec, { annotations }).problems, asFields.problems]).toEqual([[], []])
  })

  test.each<[string, object, object]>([
    ['a number for both', { maxPrefixes: 8 }, { ipv4: { limit: 8, warnAt: 6, restartAfter: 600 } }],
    [
      'warning and restart',
      { maxPrefixes: { ipv4: { limit: 1000, warnPercent: 90, restartMinutes: 5 } } },
      { ipv4: { limit: 1000, warnAt: 900, restartAfter: 300 } },
    ],
    [
      'no restart',
      { maxPrefixes: { ipv4: { limit: 1, restartMinutes: 0 } } },
      { ipv4: { limit: 1, warnAt: 1, restartAfter: undefined } },
    ],
  ])('[75] max prefixes: %s', (_name, fields, expected) => {
    expect(peer({ ...peerSpec, ...fields }).value?.maxPrefixes).toMatchObject(expected)
  })

  test('a wrong annotation is named as such', () => {
    const parsed = peer(peerSpec, { annotations: { 'godwit.dev/holdTime': 'long', 'godwit.dev/holdtime': '3' } })
    expect(textsOf(parsed)).toEqual([
      'BGPPeer/rack-1 metadata.annotations[godwit.dev/holdtime]: is not known; it is ignored',
      'BGPPeer/rack-1 metadata.annotations[godwit.dev/holdTime]: "long" is not a time in whole seconds from 0s to 65535s',
    ])
  })
})

describe('BGPConfiguration', () => {
  test('of two communities with one name the first counts, as in Calico', () => {
    const parsed = configuration({
      communities: [
        { name: 'a', value: '1:1' },
        { name: 'a', value: '1:2' },
      ],
    })
    expect(parsed.value?.communities).toEqual(new Map([['a', [1, 1]]]))
    expect(textsOf(parsed)).toEqual([
      'BGPConfiguration/default spec.communities[1].name: has an entry before it with the same name, which counts',
    ])
  })

  test.each<[string, object, string]>([
    [
      'CIDR',
      { serviceClusterIPs: [{ cidr: '10.96.0.0' }] },
      'spec.serviceClusterIPs[0].cidr: "10.96.0.0" is not a CIDR',
    ],
    ['entry', { serviceExternalIPs: ['10.96.0.0/16'] }, 'spec.serviceExternalIPs[0]: "10.96.0.0/16" is not an object'],
    ['port', { listenPort: 0 }, 'spec.listenPort: 0 is not a whole number from 1 to 65535'],
    ['paths', { multipath: { paths: 0 } }, 'spec.multipath.paths: 0 is not a whole number from 1 to 64'],
    ['bindMode', { bindMode: 'All' }, 'spec.bindMode: "All" is none of None, NodeIP'],
    [
      'community of an alias',
      { communities: [{ name: 'a', value: '70000:1' }] },
      'spec.communities[0].value: "70000:1" is not a community (0-65535:0-65535, or three numbers up to 4294967295)',
    ],
    [
      'community of a prefix',
      { prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: ['1:70000'] }] },
      'spec.prefixAdvertisements[0].communities[0]: "1:70000" is not a community (0-65535:0-65535, or three numbers up to 4294967295)',
    ],
    [
      'prefix without CIDR',
      { prefixAdvertisements: [{ communities: ['1:1'] }] },
      'spec.prefixAdvertisements[0].cidr: must be given',
    ],
  ])('%s is refused', (_name, spec, expected) => {
    const parsed = configuration(spec)
    expect(textsOf(parsed)).toContain(`BGPConfiguration/default ${expected}`)
    expect(parsed.value).toBeUndefined()
  })

  test('a mesh password is a name of a key; one that is none holds the mesh', () => {
    const named = configuration({ nodeMeshPassword: { secretKeyRef: { name: 'a', key: 'b' } } })
    expect(named.value).toMatchObject({
      meshSigning: { kind: 'md5', key: { name: 'a', key: 'b' } },
      meshHeld: undefined,
    })
    expect(configuration({ nodeMeshPassword: { secretKeyRef: {} } }).value?.meshHeld).toBe(
      'nodeMeshPassword does not name a Secret and its key',
    )
  })

  test('defaults', () => {
    expect(configuration({}).value).toEqual({
      name: 'default',
      asNumber: undefined,
      held: {},
      podCidrs: [],
      podCidrSource: undefined,
      decision: { paths: 16, relax: true, preferOldest: false },
      nodeToNodeMesh: true,
      serviceCidrs: { cluster: [], external: [], 'load-balancer': [] },
      loadBalancerAggregation: true,
      loadBalancerClasses: undefined,
      serviceOptIn: false,
      guards: { health: undefined, damping: undefined },
      communities: new Map(),
      prefixAdvertisements: undefined,
      listenPort: undefined,
      bindToNodeIp: false,
      meshFilters: [],
      meshSigning: undefined,
      meshHeld: undefined,
      natSparesHosts: undefined,
      recursiveNextHops: false,
      nodeRoutes: 'BGP',
    })
  })

  test('in a group that prunes our fields, each is an annotation', () => {
    const object = (annotations: object, spec: object = {}) =>
      parseObject(
        { kind: 'BGPConfiguration', namespace: '', name: 'default' },
        {
          apiVersion: 'crd.projectcalico.org/v1',
          kind: 'BGPConfiguration',
          metadata: { name: 'default', annotations },
          spec,
        },
      )
    const { value, problems } = object({ 'godwit.dev/nodeRoutes': 'Direct', 'godwit.dev/multipath': '{"paths": 4}' })
    expect([value?.nodeRoutes, value?.decision.paths, problems]).toEqual(['Direct', 4, []])
    expect(object({ 'godwit.dev/nodeRoutes': 'Direct' }, { nodeRoutes: 'BGP' }).value?.nodeRoutes).toBe('BGP')
    expect(object({ 'godwit.dev/nodeRoutes': 'direct' }).problems.map(({ text }) => text)).toEqual([
      'BGPConfiguration/default metadata.annotations[godwit.dev/nodeRoutes]: "direct" is none of BGP, Direct',
    ])
    expect(object({ 'godwit.dev/nodeRout': 'Direct' }).problems.map(({ text }) => text)).toEqual([
      'BGPConfiguration/default metadata.annotations[godwit.dev/nodeRout]: is not known; it is ignored',
    ])
  })

  test('a health check and damping have defaults, and limits', () => {
    expect(configuration({ serviceHealthCheck: {}, serviceDamping: {} }).value?.guards).toEqual({
      health: { port: 10256, path: '/healthz', interval: 5, failures: 3 },
      damping: { suppressAfter: 3, halfLife: 60 },
    })
    const given = {
      serviceHealthCheck: { port: 9879, path: '/x', interval: '10s', failures: 1 },
      serviceDamping: { suppressAfter: 5, halfLife: '2m' },
    }
    expect(configuration(given).value?.guards).toEqual({
      health: { port: 9879, path: '/x', interval: 10, failures: 1 },
      damping: { suppressAfter: 5, halfLife: 120 },
    })
    const wrong = configuration({ serviceHealthCheck: { path: 'healthz', host: '10.0.0.1' } })
    expect(textsOf(wrong)).toEqual([
      expect.stringMatching(/serviceHealthCheck\.path: "healthz" is not a path/),
      expect.stringMatching(/serviceHealthCheck\.host/),
    ])
  })

  // Only a part of a wrong BGPConfiguration is used, and the path of a request must be one.
  test.each(['healthz', '/a b', '/\r\nX: y', '/é'])('a health check never asks for %j', (path) => {
    expect(configuration({ serviceHealthCheck: { path } }).partial?.guards.health).toMatchObject({ path: '/healthz' })
  })

  test('another name and cluster-wide fields in node.* are said', () => {
    expect(textsOf(configuration({}, 'lab'))).toEqual([
      'BGPConfiguration/lab metadata.name: is neither default nor node.<name>; the object is ignored',
    ])
    expect(textsOf(configuration({ asNumber: 65001, listenPort: 1790 }, 'node.a'))).toEqual([
      'BGPConfiguration/node.a spec.asNumber: applies only in BGPConfiguration/default; it is ignored',
    ])
  })
})

describe('core kinds', () => {
  test('a node: first InternalIP of each family, annotations win, podCIDR where podCIDRs is absent', () => {
    const plain = node('a', { addresses: ['10.0.0.1', 'fe80::1', 'FD00::1', '10.0.0.2'] })
    expect(parse('Node', { ...plain, spec: { podCIDR: '10.244.1.0/24' } }).value).toMatchObject({
      addresses: { ipv4: '10.0.0.1', ipv6: 'fd00::1' },
      podCidrs: [{ text: '10.244.1.0/24' }],
      asNumber: undefined,
    })
    const annotations = {
      'projectcalico.org/IPv4Address': '192.0.2.1/24',
      'projectcalico.org/ASNumber': '65001',
      'godwit.dev/asNumber': '1.10',
    }
    expect(parse('Node', node('a', { addresses: ['10.0.0.1', 'fd00::1'], annotations })).value).toMatchObject({
      addresses: { ipv4: '192.0.2.1', ipv6: 'fd00::1' },
      asNumber: 65546,
    })
  })

  test.each<[string, Record<string, string>, string]>([
    [
      'AS',
      { 'projectcalico.org/ASNumber': 'x' },
      'metadata.annotations[projectcalico.org/ASNumber]: "x" is not an AS number',
    ],
    [
      'family',
      { 'projectcalico.org/IPv4Address': 'fd00::1/64' },
      'metadata.annotations[projectcalico.org/IPv4Address]: "fd00::1/64" is not an IPv4 address',
    ],
    [
      'route reflector',
      { 'projectcalico.org/RouteReflectorClusterID': '7' },
      'metadata.annotations[projectcalico.org/RouteReflectorClusterID]: "7" is not a cluster ID, such as 244.0.0.1',
    ],
  ])('node annotation: %s', (_name, annotations, expected) => {
    expect(textsOf(parse('Node', node('a', { annotations })))).toEqual([`Node/x ${expected}`])
  })

  test('a secret is what the edge says of it, and no value of it', () => {
    const keys = { password: { version: 3, error: 'is empty' }, odd: 'hunter2' }
    expect(parse('Secret', { ...secret('lab/bgp', {}), type: 'Opaque', keys }, 'bgp', 'lab')).toMatchObject({
      value: { type: 'Opaque', keys: { password: { version: 3, error: 'is empty' } } },
      problems: [],
    })
    expect(JSON.stringify(parse('Secret', secret('lab/bgp', { password: 'hunter2' })))).not.toContain('hunter2')
  })

  test.each<[string, () => ReturnType<typeof parse>, string]>([
    [
      'addresses of a service',
      () =>
        parse(
          'Service',
          service('shop/web', { externalIPs: upTo(257).map((at) => `20.0.${at >> 8}.${at & 255}`) }),
          'web',
          'shop',
        ),
      'Service/shop/web spec.externalIPs: has more than 256 entries',
    ],
    [
      'labels',
      () => parse('Node', node('n', { labels: Object.fromEntries(upTo(1_001).map((at) => [`l${at}`, ''])) }), 'n'),
      'Node/n metadata.labels: has more than 1000 entries',
    ],
    [
      'pod CIDRs of a node',
      () => parse('Node', node('n', { podCIDRs: upTo(65).map((at) => `10.0.${at}.0/24`) }), 'n'),
      'Node/n spec.podCIDRs: has more than 64 entries',
    ],
    [
      'endpoints',
      () =>
        parse(
          'EndpointSlice',
          endpointSlice(
            'shop/web',
            'IPv4',
            upTo(1_001).map(() => ({})),
          ),
          'web-ipv4',
          'shop',
        ),
      'EndpointSlice/shop/web-ipv4 endpoints: has more than 1000 entries',
    ],
  ])('%s are bounded: more are refused together', (_, parsed, text) => {
    expect(textsOf(parsed())).toEqual([text])
  })

  test('a service address that is none is refused', () => {
    const parsed = parse(
      'Service',
      service('shop/web', { clusterIPs: ['10.96.0.1'], externalIPs: ['192.0.2'] }),
      'web',
      'shop',
    )
    expect(textsOf(parsed)).toEqual(['Service/shop/web spec.externalIPs[0]: "192.0.2" is not an IP address'])
    expect(parsed.value).toBeUndefined()
  })

  test.each([
    ['externalTrafficPolicy', 'Lokal', '"Lokal" is none of Cluster, Local'],
    ['internalTrafficPolicy', true, 'true is none of Cluster, Local'],
  ])('a service whose %s is none is refused', (field, value, says) => {
    const parsed = parse('Service', service('shop/web', { clusterIPs: ['10.96.0.1'], [field]: value }), 'web', 'shop')
    expect(textsOf(parsed)).toEqual([`Service/shop/web spec.${field}: ${says}`])
    expect(parsed.value).toBeUndefined()
  })

  test('a policy that is empty is none', () => {
    const spec = { clusterIPs: ['10.96.0.1'], externalTrafficPolicy: '', internalTrafficPolicy: null }
    expect(parse('Service', { ...service('shop/web'), spec })).toMatchObject({
      value: { internalLocal: false, externalLocal: false },
      problems: [],
    })
  })

  test('labels and annotations without quotes in YAML are named, not lost', () => {
    const annotations = { 'projectcalico.org/ASNumber': 64513, nothing: null }
    const parsed = parse('Node', { ...node('x'), metadata: { name: 'x', labels: { exclude: true }, annotations } })
    expect(textsOf(parsed)).toEqual([
      'Node/x metadata.annotations[projectcalico.org/ASNumber]: 64513 is not text (put it in quotes)',
      'Node/x metadata.labels[exclude]: true is not text (put it in quotes)',
    ])
    expect(parsed.value).toBeUndefined()
  })

  test('an ingress with a host name has no address', () => {
    const object = {
      ...service('shop/web', { type: 'LoadBalancer', clusterIPs: ['10.96.0.1'] }),
      status: { loadBalancer: { ingress: [{ hostname: 'a.example' }, { ip: '192.0.2.1' }] } },
    }
    expect(parse('Service', object).value?.loadBalancerIps).toMatchObject([{ text: '192.0.2.1/32' }])
  })
})

describe('BGPAdvertisement', () => {
  test.each([
    ['fe80::1', 'is link-local: routers that are not on that link could not reach it'],
    ['febf::1', 'is link-local: routers that are not on that link could not reach it'],
    ['fe80::1%eth0', 'is link-local: routers that are not on that link could not reach it'],
    ['2001:db8::1%eth0', 'names an interface'],
    ['192.0.2.1', 'is of the other family'],
    ['ff02::1', 'is a multicast address'],
    ['fec0::1', undefined],
    ['2001:db8::1', undefined],
  ])('next hop %s: %s', (address, why) => {
    const object = bgpAdvertisement('x', { routes: [{ podCIDRs: true }], nextHop: { ipv6: address } })
    const parsed = parse('BGPAdvertisement', object)
    const read = parsed.value ?? parsed.partial
    expect(read?.nextHops).toEqual(why === undefined ? { ipv6: address } : {})
    expect(read?.held).toEqual(why && 'BGPAdvertisement/x has errors')
    expect(textsOf(parsed)).toEqual(
      why === undefined ? [] : [expect.stringContaining(`spec.nextHop.ipv6: "${address}" ${why}`)],
    )
  })
})

describe('a BGPAdvertisement with an error in a choice of routes may name all that the choice could name', () => {
  const ALL = ['cluster', 'external', 'load-balancer']
  test.each<[string, object, readonly object[]]>([
    ['pod CIDRs', { podCIDRs: 'true' }, [{ kind: 'podCIDRs' }]],
    ['pools', { pools: { names: [7] } }, [{ kind: 'pools', names: undefined, selector: undefined }]],
    ['no pools', { pools: 'lab' }, [{ kind: 'pools', names: undefined, selector: undefined }]],
    ['services', { services: { kinds: ['LoadBalancer'] } }, [{ kind: 'services', kinds: ALL, namespaces: undefined }]],
    ['namespaces', { services: { namespaces: 'a' } }, [{ kind: 'services', kinds: ALL, namespaces: undefined }]],
    ['ranges', { serviceRanges: { kinds: 'ClusterIP' } }, [{ kind: 'serviceRanges', kinds: ALL }]],
    ['two', { podCIDRs: true, serviceRanges: {} }, [{ kind: 'podCIDRs' }, { kind: 'serviceRanges', kinds: ALL }]],
    // These name only what is advertised because they name it.
    ['prefixes', { prefixes: ['10.0.0.0/33'] }, [{ kind: 'prefixes', prefixes: [] }]],
  ])('%s', (_, choice, expected) => {
    const { value, partial } = parse('BGPAdvertisement', bgpAdvertisement('x', { routes: [choice], peers: ['tor'] }))
    expect(value).toBeUndefined()
    expect(partial?.held).toBe('BGPAdvertisement/x has errors')
    expect(partial?.routes).toEqual(expect.arrayContaining(expected.map((one) => expect.objectContaining(one))))
  })
})

describe('IPPool', () => {
  test('overlay modes are said, NAT and export switches are read', () => {
    const parsed = parse(
      'IPPool',
      ipPool('x', {
        cidr: '10.244.0.0/16',
        ipipMode: 'Always',
        vxlanMode: 'Never',
        natOutgoing: true,
        disableBGPExport: true,
        blockSize: 26,
      }),
    )
    expect(parsed.value).toMatchObject({ natOutgoing: true, disableBgpExport: true, disabled: false })
    expect(textsOf(parsed)).toEqual(['IPPool/x spec.ipipMode: Godwit has no overlay; the pool is routed'])
  })
  test('what is beyond Calico about its NAT', () => {
    const nat = { excludeCIDRs: ['192.0.2.0/24', '198.51.100.7'], address: '203.0.113.5', portRange: '1024:2047' }
    const parsed = parse('IPPool', ipPool('x', { cidr: '10.244.0.0/16', allowedUses: ['LoadBalancer'], nat }))
    expect(parsed.value).toMatchObject({
      loadBalancerOnly: true,
      nat: {
        exclude: [{ text: '192.0.2.0/24' }, { text: '198.51.100.7/32' }],
        address: '203.0.113.5',
        ports: { first: 1024, last: 2047 },
        fullyRandom: true,
      },
    })
    expect(textsOf(parsed)).toEqual([])
  })
  test.each([
    ['an address of the other family', { address: '2001:db8::1' }, 'spec.nat.address'],
    ['ports the wrong way round', { portRange: '20-10' }, 'spec.nat.portRange'],
    ['a port beyond the last', { portRange: '1-70000' }, 'spec.nat.portRange'],
    ['an exclusion that is none', { excludeCIDRs: ['there'] }, 'spec.nat.excludeCIDRs[0]'],
  ])('its NAT is refused for %s', (_, nat, field) => {
    const parsed = parse('IPPool', ipPool('x', { cidr: '10.244.0.0/16', nat }))
    expect(parsed.value).toBeUndefined()
    expect(textsOf(parsed).join()).toContain(field)
  })
  test('without a CIDR it is refused', () => {
    expect(textsOf(parse('IPPool', ipPool('x', {})))).toEqual(['IPPool/x spec.cidr: must be given'])
  })
})
