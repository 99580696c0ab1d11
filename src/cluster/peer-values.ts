/**
 * Fields of a BGPPeer whose value comes from each Node (`asNumberFrom`, `localASNumberFrom`, `peerIPFrom`): one object
 * for all racks, and the differing values in labels or annotations of the Nodes. The Node that has the neighbor is
 * read, not a Node that is the neighbor.
 */

import { whyNotOfHost } from '../base/address.ts'
import { lookUp } from '../base/look-up.ts'
import type { Problem } from './intent.ts'
import type { ClusterNode } from './node.ts'
import type { PeerObject, ValueFrom } from './objects.ts'
import { parseAsn } from './parse/fields.ts'
import { whyNotOnLink } from './parse/peer.ts'
import { parsePeerIp } from './parse/peer-ip.ts'
import { makeProblem } from './problem.ts'

/** Where the values come from. */
type Values = Pick<ClusterNode, 'name' | 'labels' | 'annotations'>

interface Found {
  /** Undefined: the Node lacks a value, and the neighbor is left out. */
  readonly object: PeerObject | undefined
  readonly problems: readonly Problem[]
}

/** The BGPPeer with the values of this node filled in. */
export function withValuesOf(object: PeerObject, node: Values): Found {
  const { asNumberFrom, localAsNumberFrom, peerIpFrom } = object
  if (asNumberFrom === undefined && localAsNumberFrom === undefined && peerIpFrom === undefined)
    return { object, problems: [] }
  const reader = new Reader(object.name, node)
  const asNumber = asNumberFrom && reader.read('asNumberFrom', asNumberFrom, readAsn)
  const localAsNumber = localAsNumberFrom && reader.read('localASNumberFrom', localAsNumberFrom, readAsn)
  const remote = peerIpFrom && reader.read('peerIPFrom', peerIpFrom, readRemote)
  const found = {
    ...object,
    ...(asNumber !== undefined && { asNumber }),
    ...(localAsNumber !== undefined && { localAsNumber }),
    ...(remote !== undefined && { remote }),
  }
  return { object: reader.problems.length === 0 ? found : undefined, problems: reader.problems }
}

type Read<Value> = (text: string) => Value | { readonly wrong: string }

const readAsn: Read<number> = (text) => parseAsn(text) ?? { wrong: 'is not an AS number' }

const readRemote: Read<NonNullable<PeerObject['remote']>> = (text) => {
  const remote = parsePeerIp(text)
  if (remote === undefined) return { wrong: 'is not ip, ip:port or [ipv6]:port' }
  const [bare = '', zone] = remote.address.split('%')
  const wrong = whyNotOnLink(bare, zone, false) ?? whyNotOfHost(remote.address)
  return wrong === undefined ? remote : { wrong }
}

class Reader {
  readonly problems: Problem[] = []
  readonly #peer: string
  readonly #node: Values

  constructor(peer: string, node: Values) {
    this.#peer = peer
    this.#node = node
  }

  read<Value>(field: string, { kind, key }: ValueFrom, read: Read<Value>): Value | undefined {
    const said = lookUp(kind === 'label' ? this.#node.labels : this.#node.annotations, key)
    if (said === undefined || said === '') {
      const what = kind === 'label' ? 'no such label' : 'no such annotation with an address or an AS number'
      return this.#wrong(field, key, `Node/${this.#node.name} has ${what}`)
    }
    const value = read(said)
    if (typeof value !== 'object' || value === null || !('wrong' in value)) return value as Value
    return this.#wrong(field, key, `Node/${this.#node.name} says "${said}", which ${value.wrong}`)
  }

  #wrong(field: string, key: string, why: string): undefined {
    const says = `${why}; the peer is ignored on this node`
    this.problems.push(
      makeProblem({
        code: 'peer-value-missing',
        object: `BGPPeer/${this.#peer}`,
        field: `spec.${field}`,
        value: key,
        says,
      }),
    )
  }
}
