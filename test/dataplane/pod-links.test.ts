import { expect, test } from 'vitest'
import { makePrefix, type Prefix } from '../../src/base/prefix.ts'
import { finish, type Work } from '../../src/base/work.ts'
import { type HeldLinks, PodLinks } from '../../src/dataplane/pod-links.ts'
import { prefix } from '../support/rib.ts'

/** Routes without a gateway: prefix → its links. `around`: pod prefix → the prefix of the most specific route around it. */
const held = (routes: Readonly<Record<string, readonly string[]>>, around: Readonly<Record<string, string>>) =>
  ({
    linksAround: ({ text }) => routes[around[text] ?? ''] ?? [],
    onLink: (link) =>
      Object.keys(routes)
        .filter((text) => routes[text]?.includes(link))
        .map(prefix),
  }) satisfies HeldLinks

test('a link leads to pods by a route to one of them, or as the most specific one around all', () => {
  const pods = [prefix('10.244.1.0/24'), prefix('fd00:1::/64')]
  const routes = {
    '10.244.1.7/32': ['cali1'],
    '10.244.0.0/16': ['cni0'],
    '10.0.0.0/8': ['eth0'],
    'fd00:1::/64': ['six'],
  }
  const links = finish(PodLinks.of(held(routes, { '10.244.1.0/24': '10.244.0.0/16' }), pods))
  const has = (link: string) => finish(links.has(link))
  expect(['cali1', 'cni0', 'eth0', 'six', 'lo'].filter(has)).toEqual(['cali1', 'cni0', 'six'])
})

test('no step grows with the pod prefixes of the node, nor with the networks of a link', () => {
  const many = (first: number): Prefix[] =>
    Array.from({ length: 5_000 }, (_, at) => makePrefix(Uint8Array.of(first, at >> 8, at & 255, 0), 24))
  let looks = 0
  const counting: HeldLinks = {
    linksAround() {
      looks++
      return []
    },
    *onLink() {
      for (const one of many(20)) {
        looks++
        yield one
      }
    },
  }
  let most = 0
  const run = <Value>(work: Work<Value>): Value => {
    for (;;) {
      const before = looks
      const { done, value } = work.next()
      most = Math.max(most, looks - before)
      if (done === true) return value
    }
  }
  const links = run(PodLinks.of(counting, many(10)))
  expect(run(links.has('eth0'))).toBe(false)
  expect(looks).toBe(10_000)
  expect(most).toBeLessThan(200)
})
