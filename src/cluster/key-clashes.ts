/**
 * Neighbors with one address and several ports, of which the objects name different keys. The kernel keeps the keys of an
 * address, whatever its ports are: only one of them can have its own. The others are held.
 */
import { type KeyIntent, type PeerIntent, type Problem, type Signing, UNKNOWN_ADDRESS } from './intent.ts'
import { MESH_FIELDS, PEER_FIELDS } from './parse/protection.ts'
import { makeProblem } from './problem.ts'

/** By the name of a neighbor: why it does not start. */
export interface KeyClashes {
  readonly held: ReadonlyMap<string, string>
  readonly problems: readonly Problem[]
}

/** The first neighbor with a key that may start has its own; where none may, the first with a key. */
export function keyClashes(peers: ReadonlyMap<string, PeerIntent>): KeyClashes {
  const held = new Map<string, string>()
  const problems: Problem[] = []
  for (const all of sharing(peers)) {
    const signed = all.filter(({ signing }) => signing !== undefined)
    const winner = signed.find((peer) => peer.held === undefined) ?? signed[0]
    if (winner === undefined) continue
    const key = keyTextOf(winner.signing)
    for (const peer of all) {
      if (keyTextOf(peer.signing) === key) continue
      const isSigned = peer.signing !== undefined
      if (isSigned) held.set(peer.name, `it has the address of ${objectOf(winner)}, which has another key`)
      problems.push(problemOf(peer, winner, isSigned))
    }
  }
  return { held, problems }
}

/** Neighbors with the same address, where there are several. */
function sharing(peers: ReadonlyMap<string, PeerIntent>): readonly (readonly PeerIntent[])[] {
  const byAddress = new Map<string, PeerIntent[]>()
  for (const peer of peers.values()) {
    if (peer.range !== undefined || peer.address === UNKNOWN_ADDRESS) continue
    const all = byAddress.get(peer.address)
    if (all === undefined) byAddress.set(peer.address, [peer])
    else all.push(peer)
  }
  return [...byAddress.values()].filter((all) => all.length > 1)
}

/** The same for the same keys, whatever was read of them. */
export const keyTextOf = (signing: Signing<KeyIntent> | undefined): string =>
  JSON.stringify(signing, (name, value) => (name === 'version' ? undefined : value)) ?? ''

const objectOf = ({ object }: PeerIntent): string =>
  object === undefined ? 'BGPConfiguration/default' : `BGPPeer/${object}`

function problemOf(peer: PeerIntent, winner: PeerIntent, isSigned: boolean): Problem {
  const fields = peer.object === undefined ? MESH_FIELDS : PEER_FIELDS
  const other = `${objectOf(winner)} (port ${winner.port})`
  const says = isSigned
    ? `has another key than ${other}; the kernel has one for each address, whatever its ports are; this peer does not start`
    : `has no key and ${other} has one; the kernel has one for each address, and so this session is signed with it`
  return makeProblem({
    code: 'peer-key-twice',
    object: objectOf(peer),
    field: `spec.${(peer.signing ?? winner.signing)?.kind === 'ao' ? fields.keyChain : fields.password}`,
    value: `${peer.address} port ${peer.port}`,
    says,
    ...(isSigned ? {} : { level: 'warning' as const }),
  })
}
