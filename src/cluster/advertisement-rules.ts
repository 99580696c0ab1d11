/** To which neighbors the routes that BGPAdvertisements name are advertised, and with which attributes. */
import { addressBytes } from '../base/address.ts'
import { FAMILIES } from '../base/family.ts'
import { isIn } from '../base/overlap.ts'
import type { Operation, Rule } from '../bgp/policy/rule.ts'
import { type NodeAdvertisement, QUESTION_COST } from './advertisements.ts'
import { coveredBy, FOR_ALL } from './aggregation.ts'
import type { AdvertisementObject, PeerObject } from './objects.ts'
import { matches, questionsOf } from './selector.ts'

/** About what it takes to find those for a peer, and to make its rules, in microseconds. */
export const costOfPeers = (all: readonly NodeAdvertisement[]): number =>
  all.reduce((sum, { object }) => sum + RULE_COST + questionsOf(object.peerSelector) * QUESTION_COST, 0)
const RULE_COST = 1

/** Names of the BGPAdvertisements for this peer. Undefined stands for the mesh: only those without `peers` apply. */
export function forPeer(
  all: readonly NodeAdvertisement[],
  peer: Pick<PeerObject, 'name' | 'labels'> | undefined,
): string[] {
  return all.filter(({ object }) => isFor(object, peer)).map(({ object }) => object.name)
}

function isFor(
  { peers, peerSelector }: AdvertisementObject,
  peer: Pick<PeerObject, 'name' | 'labels'> | undefined,
): boolean {
  if (peers === undefined && peerSelector === undefined) return true
  if (peer === undefined) return false
  return (
    (peers !== undefined && isIn(peers, peer.name)) ||
    (peerSelector !== undefined && matches(peerSelector, peer.labels))
  )
}

/** These rules run before BGPFilters, so that filters see the routes as they would be advertised. */
export function advertisementRules(all: readonly NodeAdvertisement[], mine: readonly string[]): Rule[] {
  if (all.length === 0) return []
  const held = all.flatMap(({ object, held: reason }): Rule[] => {
    if (reason === undefined) return []
    const name = `BGPAdvertisement/${object.name} held`
    // A route of pods or a covering prefix that another object wants too is still advertised, as if this
    // BGPAdvertisement did not exist.
    const match: Rule['match'] = { source: 'originated', named: [object.name], notNamed: [FOR_ALL] }
    return [{ name, match, action: 'reject', operations: [], reason }]
  })
  const covered = all.filter(({ object }) => isIn(mine, object.name)).flatMap(coveredRules(mine))
  const others: Rule = {
    name: 'BGPAdvertisements for other peers',
    // Whatever other names there are: a route may still have that of an object which is gone.
    match: { source: 'originated', notNamed: [...mine, FOR_ALL] },
    action: 'reject',
    operations: [],
    reason: 'the BGPAdvertisements that name it are for other peers',
  }
  const ours = all.filter(({ object, held: reason }) => reason === undefined && isIn(mine, object.name))
  return [...held, ...covered, ...(mine.length < all.length ? [others] : []), ...ours.flatMap(rulesOf)]
}

/** Another BGPAdvertisement for this peer may still advertise the route. */
const coveredRules =
  (mine: readonly string[]) =>
  ({ object: { name, aggregation } }: NodeAdvertisement): Rule[] => {
    if (Object.keys(aggregation).length === 0) return []
    const match: Rule['match'] = { source: 'originated', named: [coveredBy(name)], notNamed: mine }
    const reason = `BGPAdvertisement/${name} advertises the covering prefix in its place`
    return [{ name: `BGPAdvertisement/${name} covered`, match, action: 'reject', operations: [], reason }]
  }

function rulesOf({ object, operations }: NodeAdvertisement): Rule[] {
  const name = `BGPAdvertisement/${object.name}`
  const match: Rule['match'] = { source: 'originated', named: [object.name] }
  const hops = FAMILIES.flatMap((family): Rule[] => {
    const address = object.nextHops[family]
    if (address === undefined) return []
    const operation: Operation = { kind: 'set-next-hop', address: addressBytes(address) }
    return [{ name: `${name} next hop`, match: { ...match, family }, action: 'next', operations: [operation] }]
  })
  return [...(operations.length === 0 ? [] : [{ name, match, action: 'next', operations } as const]), ...hops]
}
