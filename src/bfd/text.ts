/** Names of BFD states and diagnostics, for people. */
import { type BfdState, DIAGNOSTIC } from './packet.ts'
import type { BfdView, DropReason } from './types.ts'

/** RFC 5880 §4.1, by number. */
const DIAGNOSTICS = [
  'no diagnostic',
  'the detection time expired',
  'the echo function failed',
  'the neighbor signaled that the session is down',
  'the forwarding plane was reset',
  'the path is down',
  'a concatenated path is down',
  'administratively down',
  'a reverse concatenated path is down',
]

export const diagnosticText = (diagnostic: number): string => DIAGNOSTICS[diagnostic] ?? `diagnostic ${diagnostic}`

/** The session was Up and the path, or the neighbor, is lost. RFC 5882 §3.2: one that is disabled on purpose is not. */
export const isFailure = (from: BfdState | undefined, { state, remoteState }: BfdView): boolean =>
  from === 'Up' && state === 'Down' && remoteState !== 'AdminDown'

/** Why a session is in its state. */
export function reasonOf(session: BfdView): string {
  const { state, remoteState, diagnostic, remoteDiagnostic, remote } = session
  if (state === 'Up') return `${remote} is Up`
  if (state === 'Init') return `${remote} sends BFD packets but does not receive ours yet`
  if (state === 'Down' && remoteState === 'AdminDown') return 'the neighbor has disabled it'
  if (state === 'Down' && diagnostic === DIAGNOSTIC.none) return 'the session starts'
  const text = diagnosticText(diagnostic)
  // The neighbor's diagnostic, if it differs from ours.
  const theirs =
    remoteDiagnostic === 0 || remoteDiagnostic === diagnostic ? '' : `, since ${diagnosticText(remoteDiagnostic)}`
  return diagnostic === DIAGNOSTIC.neighborSignaledDown ? `${text}${theirs}` : text
}

export const DROP_TEXTS: Readonly<Record<DropReason, string>> = {
  version: 'its version is not 1',
  length: 'its length is wrong',
  multiplier: 'its detect multiplier is 0',
  multipoint: 'it is multipoint',
  'my-discriminator': 'its discriminator is 0',
  state: 'it names no session of ours and says it is neither Down nor AdminDown',
  authentication: 'it is authenticated, and our sessions are not',
  'your-discriminator': 'it names a session that is not ours',
  stranger: 'its sender is not a neighbor with BFD',
  port: 'it came to the port of the other kind of session: one side has a single-hop session, the other a multihop session',
  interface: 'it arrived on another interface than that of its session',
  ttl: 'its TTL is too low',
  flood: 'the limit for packets of unknown senders was reached',
}
