/** Claims of one object on one prefix: an address may be both ExternalIP and LoadBalancer IP, and so may a range. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Prefix } from '../../src/base/prefix.ts'
import { finish } from '../../src/base/work.ts'
import { type Claim, RouteBook } from '../../src/cluster/route-book.ts'
import { intentOf } from '../support/cluster.ts'
import { type ApiObject, bgpAdvertisement, bgpConfiguration, endpointSlice, node, service } from '../support/objects.ts'
import { prefix } from '../support/rib.ts'

const HERE = node('here', { addresses: ['10.0.0.1'] })
const RANGE = [{ cidr: '192.0.2.0/24' }]
const BOTH = { serviceExternalIPs: RANGE, serviceLoadBalancerIPs: RANGE }
const namesOf = (objects: readonly ApiObject[], route: string) => intentOf('here', objects).routes.get(route)?.named
/** For the second of the two kinds, and for the first. */
const KINDS = ['LoadBalancerIP', 'ExternalIP']

describe('the BGPAdvertisements of one of two kinds name', () => {
  test.each(KINDS)('a range that is in both lists: %s', (kind) => {
    const some = bgpAdvertisement('some', { routes: [{ serviceRanges: { kinds: [kind] } }], peers: ['tor'] })
    expect(namesOf([HERE, bgpConfiguration(BOTH), some], '192.0.2.0/24')).toEqual(['some'])
  })
  test.each(KINDS)('an address that a Service has as both, and its covering prefix: %s', (kind) => {
    const web = service('shop/web', {
      type: 'LoadBalancer',
      clusterIPs: ['10.96.0.10'],
      externalIPs: ['192.0.2.10'],
      loadBalancerIPs: ['192.0.2.10'],
      externalTrafficPolicy: 'Local',
    })
    const some = bgpAdvertisement('some', {
      routes: [{ services: { kinds: [kind] } }],
      peers: ['tor'],
      aggregationLength: { ipv4: 28 },
    })
    const objects = [HERE, bgpConfiguration(BOTH), web, endpointSlice('shop/web', 'IPv4', [{ node: 'here' }]), some]
    expect(namesOf(objects, '192.0.2.10/32')).toEqual(['some'])
    expect(namesOf(objects, '192.0.2.0/28')).toEqual(['some'])
  })
})

const ADDRESS = prefix('192.0.2.10/32')
const COVERS = ['192.0.2.0/24', '192.0.2.0/28'].map(prefix)
const names = fc.subarray(['a', 'b', 'c'])
const wanted = fc.record({
  named: fc.option(names, { nil: undefined }),
  at: fc.option(fc.constantFrom(...COVERS)),
  of: fc.constantFrom('service-cidr' as const, 'pod-cidr' as const),
})
const claim: fc.Arbitrary<Claim> = fc.oneof(
  wanted.map(({ named, at, of }): Claim => {
    const covers = at === null ? [] : [{ advertisement: 'a', prefix: at, origin: of } as const]
    return {
      prefix: ADDRESS,
      origin: 'service',
      refused: undefined,
      ...(named && { named }),
      ...(covers.length > 0 && { covers }),
    }
  }),
  fc.constantFrom('outside', 'not ready').map((refused): Claim => ({ prefix: ADDRESS, origin: 'service', refused })),
)

/** What is decided after these claims, one list for each object. */
function decided(...objects: readonly (readonly Claim[])[]) {
  const book = new RouteBook()
  for (const [index, claims] of objects.entries()) book.set(`Service/shop/${index}`, claims)
  const { announce } = finish(book.takeChanges())
  const refused = book.refusals.get(ADDRESS.text) ?? ''
  return {
    routes: announce.map((route) => `${route.prefix.text} ${route.origin} ${route.named}`).sort(),
    refused: [...new Set(refused.split('; ').map((reason) => reason.replace(/^.*: /, '')))].sort(),
  }
}

test('claims of one object count as those of several do, in any order', () => {
  fc.assert(
    fc.property(fc.array(claim, { minLength: 1, maxLength: 4 }), (claims) => {
      const alone = decided(claims)
      expect(decided(claims.toReversed())).toEqual(alone)
      expect(decided(...claims.map((one) => [one]))).toEqual(alone)
    }),
  )
})

test('a covering prefix of pods and of services is one of pods while pods are inside, whoever came first', () => {
  const [cover] = COVERS as [Prefix, Prefix]
  const inside = (text: string, origin: 'pod-cidr' | 'service-cidr'): Claim => ({
    prefix: prefix(text),
    origin: origin === 'pod-cidr' ? 'pod-cidr' : 'service',
    refused: undefined,
    named: ['a'],
    covers: [{ advertisement: 'a', prefix: cover, origin }],
  })
  const claims = {
    'Node/here': inside('192.0.2.64/26', 'pod-cidr'),
    'Service/web': inside('192.0.2.9/32', 'service-cidr'),
  }
  const names = Object.keys(claims) as (keyof typeof claims)[]
  for (const order of [names, names.toReversed()]) {
    const book = new RouteBook()
    for (const name of order) book.set(name, [claims[name]])
    expect(book.routes.get(cover.text)?.origin).toBe('pod-cidr')
    for (const gone of names) {
      book.set(gone, [])
      expect(book.routes.get(cover.text)?.origin).toBe(gone === 'Node/here' ? 'service-cidr' : 'pod-cidr')
      book.set(gone, [claims[gone]])
      expect(book.routes.get(cover.text)?.origin).toBe('pod-cidr')
    }
    for (const name of names) book.set(name, [])
    expect([...book.routes.keys()]).toEqual([])
  }
})

test('they go as a whole with their object', () => {
  fc.assert(
    fc.property(fc.array(claim, { maxLength: 4 }), (claims) => {
      const book = new RouteBook()
      book.set('Service/shop/web', claims)
      book.set('Service/shop/web', [])
      expect([...book.routes.keys(), ...book.refusals.keys()]).toEqual([])
    }),
  )
})

test('a covering prefix that a hundred BGPAdvertisements ask for is decided once', () => {
  const [cover] = COVERS as [Prefix, Prefix]
  const names = Array.from({ length: 100 }, (_, index) => `a${index}`)
  const covers = names.map((advertisement) => ({ advertisement, prefix: cover, origin: 'service-cidr' }) as const)
  const book = new RouteBook()
  book.set('Service/shop/web', [{ prefix: ADDRESS, origin: 'service', refused: undefined, named: names, covers }])
  expect(book.decided).toBe(2)
  expect(book.routes.get(cover.text)?.named).toEqual(names.toSorted())
  book.set('Service/shop/web', [])
  expect(book.decided).toBe(4)
  expect(book.routes.size).toBe(0)
})
