/** Applies the operations of a rule to path attributes. */
import type { Asn } from '../../base/units.ts'
import { type AsSegment, MOST_IN_SEGMENT } from '../wire/as-path.ts'
import type { PathAttributes } from '../wire/attribute.ts'
import type { Community } from './community.ts'
import type { Operation } from './rule.ts'

/**
 * The attributes after all `operations`, in order: the very same object where none of them has anything to do.
 * `set-communities` always makes a new one.
 */
export function operate(operations: readonly Operation[], attributes: PathAttributes): PathAttributes {
  return operations.reduce(operateOnce, attributes)
}

function operateOnce(attributes: PathAttributes, operation: Operation): PathAttributes {
  switch (operation.kind) {
    case 'add-community':
      return hasCommunity(attributes, operation.community) ? attributes : addCommunity(attributes, operation.community)
    case 'remove-community':
      return hasCommunity(attributes, operation.community)
        ? removeCommunity(attributes, operation.community)
        : attributes
    case 'set-communities':
      return operation.communities.reduce(
        (bare, community) => (hasCommunity(bare, community) ? bare : addCommunity(bare, community)),
        { ...attributes, communities: [], largeCommunities: [] } as PathAttributes,
      )
    case 'prepend':
      return operation.path.length === 0
        ? attributes
        : { ...attributes, asPath: prepend(attributes.asPath, operation.path) }
    case 'set-local-pref':
      return attributes.localPref === operation.value ? attributes : { ...attributes, localPref: operation.value }
    case 'set-med':
      return attributes.med === operation.value ? attributes : { ...attributes, med: operation.value }
    case 'set-next-hop':
      // The next hop is not among these attributes: it is a part of the verdict (trail.ts).
      return attributes
  }
}

/** Two numbers are a standard community (RFC 1997), three a large one (RFC 8092). */
export function hasCommunity(attributes: PathAttributes, community: Community): boolean {
  const [a, b, c] = community
  return community.length === 3
    ? attributes.largeCommunities.some((large) => large[0] === a && large[1] === b && large[2] === c)
    : attributes.communities.some((standard) => standard[0] === a && standard[1] === b)
}

function addCommunity(attributes: PathAttributes, community: Community): PathAttributes {
  const [a = 0, b = 0, c = 0] = community
  return community.length === 3
    ? { ...attributes, largeCommunities: [...attributes.largeCommunities, [a, b, c]] }
    : { ...attributes, communities: [...attributes.communities, [a, b]] }
}

function removeCommunity(attributes: PathAttributes, community: Community): PathAttributes {
  const [a, b, c] = community
  return community.length === 3
    ? {
        ...attributes,
        largeCommunities: attributes.largeCommunities.filter(([x, y, z]) => x !== a || y !== b || z !== c),
      }
    : { ...attributes, communities: attributes.communities.filter(([x, y]) => x !== a || y !== b) }
}

/** RFC 4271 §5.1.2: prepends to the leading sequence, or as a new sequence if there is none or it would overflow. */
function prepend(asPath: readonly AsSegment[], path: readonly Asn[]): readonly AsSegment[] {
  const [first, ...rest] = asPath
  return first?.kind === 'sequence' && first.asns.length + path.length <= MOST_IN_SEGMENT
    ? [{ kind: 'sequence', asns: [...path, ...first.asns] }, ...rest]
    : [{ kind: 'sequence', asns: path }, ...asPath]
}
