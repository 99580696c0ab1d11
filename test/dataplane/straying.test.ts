/** Where packets to a learned prefix go beside routes of other programs. */
import { expect, test } from 'vitest'
import { markText } from '../../src/base/link-mark.ts'
import { type Hop, type KernelRoute, MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { LinkTable } from '../../src/dataplane/links.ts'
import { strayingOf } from '../../src/dataplane/straying.ts'
import { linkOf } from '../support/fake-kernel.ts'
import { prefix } from '../support/rib.ts'

const PODS = prefix('10.244.7.0/24')
const links = new LinkTable()
links.take({
  full: true,
  gone: [],
  present: [
    linkOf(2, 'rack', true, ['10.1.0.11/24']),
    linkOf(3, 'mesh', true, ['10.2.0.1/24']),
    linkOf(4, 'cut', false, ['10.3.0.1/24']),
  ],
})

const hop = (gateway: string | undefined, name: string): Hop => ({ gateway, interface: name, onlink: false, weight: 1 })
const LEARNED = [hop('10.2.0.2', 'mesh')]
const BACK = hop('10.1.0.1', 'rack')
const route = (hops: readonly Hop[], text = PODS.text, type = 'unicast'): KernelRoute => ({
  prefix: prefix(text),
  type,
  protocol: 4,
  metric: 0,
  table: MAIN_TABLE,
  hops,
})

test.each<[string, KernelRoute | undefined, unknown]>([
  ['no route', undefined, 'nowhere'],
  ['a blackhole', route([], PODS.text, 'blackhole'), 'nowhere'],
  ['unreachable', route([], PODS.text, 'unreachable'), 'nowhere'],
  ['the default route', route([BACK], '0.0.0.0/0'), 'nowhere'],
  ['a wider route the learned way', route(LEARNED, '10.244.0.0/16'), undefined],
  ['the network of a link', route([hop(undefined, 'mesh')]), undefined],
  ['the learned way, with another weight', route([{ ...(LEARNED[0] as Hop), weight: 9 }]), undefined],
  ['another gateway', route([BACK]), ['%rack', '10.1.0.0/24']],
  ['another gateway on a link that is down', route([hop('10.3.0.9', 'cut')]), 'nowhere'],
  ['the learned way and one that is down', route([...LEARNED, hop('10.3.0.9', 'cut')]), undefined],
  ['two others, of which one is down', route([BACK, hop('10.3.0.9', 'cut')]), ['%rack', '10.1.0.0/24']],
  ['the network of a link that is down', route([hop(undefined, 'cut')]), 'nowhere'],
  ['a link that is not known', route([hop('10.4.0.9', 'far')]), 'nowhere'],
  ['a next hop object that is not shown', route([]), 'nowhere'],
  ['the learned way and another', route([...LEARNED, BACK]), ['%rack', '10.1.0.0/24']],
])('%s', (_, theirs, expected) => {
  const straying = strayingOf(PODS, theirs, LEARNED, links)
  expect(Array.isArray(straying) ? straying.map(markText) : straying).toEqual(expected)
})
