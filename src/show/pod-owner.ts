/** What `show explain` says of an address of a pod on another node: whose it is, and why no route leads there. */
import type { Prefix } from '../base/prefix.ts'
import type { PodOwner } from '../cluster/intent.ts'
import { formatLastError, stateOf } from './protocols.ts'
import type { ProtocolView, View } from './view.ts'

export interface OwnerStep {
  readonly step: 'object'
  readonly object: string
  readonly verdict: string
  readonly reason: string
}

/** `hasPath`: a route to it is known. Of pods of this node, the originated routes tell. */
export function ownerSteps(prefix: Prefix, hasPath: boolean, view: View): OwnerStep[] {
  const owner = view.podOwner(prefix)
  if (owner === undefined || owner.object === `Node/${view.status().node}`) return []
  const { object, prefix: around, why } = owner
  if (why !== undefined) return [{ step: 'object', object, verdict: 'belongs to no node', reason: why }]
  const unheard = hasPath ? [] : whyUnheard(owner, view)
  return [
    { step: 'object', object, verdict: 'owns it', reason: [`${around.text} is its pod CIDR`, ...unheard].join('; ') },
  ]
}

/** Why no route to it was learned from the node itself. */
function whyUnheard({ addresses }: PodOwner, view: View): string[] {
  const sessions = [...view.eachProtocol(({ address }) => addresses.includes(address))].map(sessionWords)
  return sessions.length === 0
    ? ['no neighbor has the address of this node, and none has advertised a route to it']
    : sessions
}

function sessionWords(protocol: ProtocolView): string {
  const { name, peer, disabled, held } = protocol
  if (peer.state === 'Established') return `${name} is Established and has advertised no route to it`
  const why = disabled ? 'disabled' : (held ?? formatLastError(peer.lastError ?? peer.attemptError))
  return `${name} is ${stateOf(protocol)}${why === '' ? '' : `: ${why}`}`
}
