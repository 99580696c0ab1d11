/** Actions on a neighbor: stop it, start it, refresh its routes. */
import type { Millis } from '../base/units.ts'
import { CEASE } from '../bgp/wire/notification.ts'
import type { Action, ActionResult } from '../show/view.ts'
import { byHand } from './by-hand.ts'
import type { Neighbor } from './neighbors.ts'
import type { Objects } from './objects.ts'
import type { Sessions } from './sessions.ts'

export function act(
  neighbor: Neighbor,
  action: Action,
  now: Millis,
  parts: { readonly sessions: Sessions; readonly objects: Objects },
): ActionResult {
  const result = (outcome: ActionResult['outcome'], reason = ''): ActionResult => ({
    name: neighbor.name,
    outcome,
    reason,
  })
  const stop = (subcode: number, text: string, reason: string): void =>
    parts.sessions.handle(neighbor, { kind: 'stop', subcode, text, reason }, now)
  /** Why it does not start once `disabled` is unset: this node has left, or objects hold it. */
  const whyNot = (): string | undefined => parts.objects.whyStopped(neighbor) ?? neighbor.intent.held
  switch (action.kind) {
    case 'disable':
      if (neighbor.disabled !== undefined) return result('already')
      neighbor.disabled = action.message
      stop(CEASE.adminShutdown, action.message, byHand('disabled', action.message))
      return result('done')
    case 'enable':
      // One that is held down for too many routes is not started either: it does not wait for the end of its hold-down.
      if (neighbor.disabled === undefined && (neighbor.peer.started || neighbor.intent.held !== undefined)) {
        return result('already')
      }
      neighbor.disabled = undefined
      parts.objects.startByHand(neighbor, now)
      return whyNot() === undefined ? result('done') : result('failed', whyNot())
    case 'restart':
      if (neighbor.disabled !== undefined) return result('failed', 'disabled')
      // If it runs at all, it runs with its last good filters: once stopped, it could not start again.
      if (whyNot() !== undefined) return result('failed', whyNot())
      stop(CEASE.adminReset, action.message, byHand('restarted', action.message))
      parts.objects.startByHand(neighbor, now)
      return result('done')
    case 'drain':
      if (neighbor.drained !== undefined) return result('already')
      neighbor.drained = action.message
      parts.sessions.refit(neighbor, now)
      return result('done')
    case 'undrain':
      if (neighbor.drained === undefined && !neighbor.intent.drain) return result('already')
      neighbor.drained = undefined
      parts.sessions.refit(neighbor, now)
      return neighbor.intent.drain ? result('failed', 'its BGPPeer sets drain') : result('done')
    case 'reload':
      if (neighbor.peer.session === undefined) return result('failed', 'not established')
      // Without Route Refresh (RFC 2918) the neighbor cannot be asked. The answer is `done` all the same: the RIB has its
      // routes, also those that filters reject, and judges them by the present policy.
      if (action.direction !== 'out') {
        parts.sessions.refit(neighbor, now)
        parts.sessions.askRefresh(neighbor, now)
      }
      if (action.direction !== 'in') parts.sessions.advertiseAgain(neighbor)
      return result('done')
    case 'debug':
      return action.on ? result('failed', 'messages are not traced') : result('done')
  }
}
