/** `show filters`: a rule in words says all that it asks for; `show route filter` decides as the RIB does. */
import { expect, test } from 'vitest'
import type { Policy, Rule, RuleMatch } from '../../src/bgp/policy/rule.ts'
import { FOR_ALL } from '../../src/cluster/aggregation.ts'
import { answer, newClient } from '../../src/show/answer.ts'
import { ruleText } from '../../src/show/filters.ts'
import type { View } from '../../src/show/view.ts'
import { neighbor, originatedRoute, path, prefix, settle } from '../support/rib.ts'
import { Room } from '../support/rib-rooms.ts'
import { viewOf } from '../support/view.ts'

const rule = (match: RuleMatch): Rule => ({ name: 'lab', match, action: 'reject', operations: [] })
const TEN = { prefix: prefix('10.0.0.0/8'), minLength: 8, maxLength: 32 }

/** Each condition, beside those without which it asks for nothing. */
const EACH: { readonly [Name in keyof RuleMatch]-?: readonly [RuleMatch, string] } = {
  family: [{ family: 'ipv6' }, 'IPv6'],
  prefixes: [{ prefixes: [TEN] }, 'in 10.0.0.0/8'],
  notPrefixes: [{ notPrefixes: [TEN] }, 'not in 10.0.0.0/8'],
  source: [{ source: 'originated' }, 'our own'],
  learnedFrom: [{ source: 'peer', learnedFrom: 'internal' }, 'learned from iBGP'],
  named: [
    { source: 'originated', named: ['pods', 'pods/covered'] },
    'our own, named by BGPAdvertisement/pods or covered by BGPAdvertisement/pods',
  ],
  notNamed: [
    { named: ['pods'], notNamed: [FOR_ALL, 'web'] },
    'named by BGPAdvertisement/pods, not wanted by an object for all peers or named by BGPAdvertisement/web',
  ],
  interface: [{ source: 'peer', interface: 'eth*' }, 'learned, over interface eth*'],
  peerType: [{ peerType: 'external' }, 'for eBGP neighbors'],
  communities: [{ communities: [[64512, 1]] }, 'community 64512:1'],
  asPathPrefix: [{ asPathPrefix: [65001, 65002] }, 'AS path begins 65001 65002'],
  localPref: [{ localPref: 0 }, 'local preference 0'],
  med: [{ med: 0 }, 'MED 0'],
}

test.each(Object.entries(EACH))('%s', (_name, [match, words]) => {
  expect(ruleText(rule(match))).toBe(`${words}: reject`)
})

test('a rule that says by what a route must not be named asks for another name', () => {
  expect(ruleText(rule({ notNamed: ['pods'] }))).toBe(
    'named by a BGPAdvertisement, not named by BGPAdvertisement/pods: reject',
  )
  expect(ruleText(rule({ named: ['pods'], notNamed: [] }))).toBe('named by BGPAdvertisement/pods: reject')
})

test.each<[string, RuleMatch]>([
  ['an interface', { source: 'peer', interface: 'eth*' }],
  ['a name', { source: 'originated', named: ['pods'], notNamed: ['web'] }],
  ['any name but one', { source: 'originated', notNamed: ['web'] }],
  ['neither', { family: 'ipv4' }],
])('`show route filter` decides as export does: %s', (_what, match) => {
  const policy: Policy = { name: 'lab', rules: [rule(match)], otherwise: 'accept', otherwiseReason: '' }
  const [eth, wg] = [neighbor(1, { interface: 'eth0' }), neighbor(2, { interface: 'wg0' })]
  const judge = neighbor(3, { exportPolicy: policy })
  const room = new Room(eth, wg, judge)
  room.say(eth, ['10.1.0.0/16'], path(65_101))
  room.say(wg, ['10.2.0.0/16'], path(65_102))
  room.rib.originate([{ ...originatedRoute('10.3.0.0/16'), named: ['pods'] }], 0)
  room.rib.originate([{ ...originatedRoute('10.4.0.0/16'), named: ['pods', 'web'] }], 0)
  settle(room.rib)
  room.heard(judge)
  const view: View = {
    ...viewOf({ filters: [{ policy, direction: 'export', hits: [0, 0], neighbors: [judge.name] }] }),
    routes: (query, from, limit) => room.rib.page(query, from, limit),
  }
  const rows = [...answer('json show route filter lab', view, newClient())].map((row) => row?.text ?? '')
  const found = rows.flatMap((text) => /"prefix":"([^"]+)"/.exec(text)?.[1] ?? [])
  expect(found.sort()).toEqual(
    room
      .rows()
      .filter(({ exportedTo }) => exportedTo.includes(judge.name))
      .map(({ prefix: text }) => text)
      .sort(),
  )
})
