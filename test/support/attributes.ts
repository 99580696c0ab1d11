import type { PathAttributes } from '../../src/bgp/wire/attribute.ts'

/** What every route has, and nothing else: ORIGIN IGP and an empty path. Tests say what differs. */
export const BARE: PathAttributes = {
  origin: 'IGP',
  asPath: [],
  med: undefined,
  localPref: undefined,
  atomicAggregate: false,
  aggregator: undefined,
  communities: [],
  originatorId: undefined,
  clusterList: [],
  extendedCommunities: [],
  largeCommunities: [],
  unknown: [],
}
