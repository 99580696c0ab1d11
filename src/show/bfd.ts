/** `show bfd sessions` in BIRD's layout; in JSON with all known fields. */

import { type Micros, microsInSeconds } from '../base/units.ts'
import { diagnosticText } from '../bfd/text.ts'
import type { BfdView } from '../bfd/types.ts'
import type { Which } from './command.ts'
import { notRunning } from './not-running.ts'
import { CODE, type Row } from './reply.ts'
import { formatTime, type TimeStyle } from './time.ts'
import type { BfdSessionView, View } from './view.ts'
import { noProtocols, protocolsFor } from './which.ts'

/** BIRD has an instance of the protocol; ours goes by the name of its first. */
const INSTANCE = 'bfd1'

/** All, or those that watch the neighbors that were named; otherwise the line that says why there are none. */
export function bfdSessions(which: Which | undefined, view: View): readonly BfdSessionView[] | Row {
  const summary = view.bfd()
  if (summary === undefined) return notRunning('BFD')
  if (which === undefined || which.text === INSTANCE) return summary.sessions
  const names = new Set([...protocolsFor(which, view)].map(({ name }) => name))
  return names.size === 0
    ? noProtocols()
    : summary.sessions.filter(({ peers }) => peers.some((name) => names.has(name)))
}

export function* bfdRows(which: Which | undefined, view: View, style: TimeStyle): Iterable<Row> {
  const sessions = bfdSessions(which, view)
  if ('code' in sessions) {
    yield sessions
    return
  }
  const line = (text: string): Row => ({ code: CODE.bfd, text })
  yield line(`${INSTANCE}:`)
  yield line(`${columns('IP address', 'Interface', 'State', 'Since')}  Interval  Timeout`)
  for (const { session } of sessions) {
    const since = formatTime(view.epoch + session.since, view.epoch + view.now, style)
    const row = columns(bare(session), session.interface ?? '---', session.state, since)
    yield line(`${row}  ${secondsText(session.interval)}  ${secondsText(session.detectionTime)}`)
  }
  yield { code: CODE.ok, text: '' }
}

const columns = (address: string, link: string, state: string, since: string): string =>
  `${address.padEnd(25)} ${link.padEnd(10)} ${state.padEnd(10)} ${since.padEnd(12)}`

/** The interface has a column of its own. */
const bare = ({ remote }: BfdView): string => remote.split('%')[0] ?? remote

const secondsText = (micros: Micros): string => microsInSeconds(micros).toFixed(3).padStart(7)

/** Durations in seconds; `time` writes a time of the engine. */
export function bfdJson({ session, peers }: BfdSessionView, time: (at: number) => string) {
  const { state, remoteState, diagnostic, remoteDiagnostic } = session
  return {
    peer: bare(session),
    interface: session.interface ?? null,
    state,
    since: time(session.since),
    interval: microsInSeconds(session.interval),
    multiplier: session.multiplier,
    detectionTime: microsInSeconds(session.detectionTime),
    local: {
      address: session.local ?? null,
      discriminator: session.localDiscriminator,
      diagnostic: diagnosticText(diagnostic),
      desiredMinTx: microsInSeconds(session.desiredMinTx),
      requiredMinRx: microsInSeconds(session.requiredMinRx),
    },
    // Its multiplier is never 0 once a packet came in.
    remote:
      session.remoteMultiplier === 0
        ? null
        : {
            discriminator: session.remoteDiscriminator === 0 ? null : session.remoteDiscriminator,
            state: remoteState,
            diagnostic: diagnosticText(remoteDiagnostic),
            multiplier: session.remoteMultiplier,
            desiredMinTx: microsInSeconds(session.remoteDesiredMinTx),
            requiredMinRx: microsInSeconds(session.remoteMinRx),
          },
    hops: session.hops,
    passive: session.passive,
    controlPlaneIndependent: session.independent,
    packets: { sent: session.sent, received: session.received },
    neighbors: peers,
    trouble: session.error ?? null,
  }
}
