/** The timers of a neighbor as `show` and metrics have them. */
import { inSeconds, type Millis, type Seconds } from '../../base/units.ts'
import type { Connection } from './connection.ts'
import { OPEN_HOLD_TIME, sendHoldTime } from './connection-timers.ts'
import type { HoldDown } from './hold-down.ts'
import type { Stale } from './stale.ts'
import type { PeerSnapshot, RunningTimer } from './types.ts'

type ShownTimers = Pick<
  PeerSnapshot,
  'holdTimer' | 'keepaliveTimer' | 'sendHoldTimer' | 'restartTimer' | 'holdDownTimer' | 'connectTimer'
>

interface Sources {
  /** The connection that is in the furthest state, and the one that we dial. */
  readonly furthest: Connection
  readonly own: Connection
  readonly stale: Stale
  readonly holdDown: HoldDown
}

export function shownTimers({ furthest, own, stale, holdDown }: Sources, now: Millis): ShownTimers {
  const { session, timers } = furthest
  const nextStale = stale.next()
  const running = (at: Millis | undefined, total: Seconds): RunningTimer | undefined =>
    at === undefined ? undefined : { left: Math.max(0, at - now), total }
  return {
    holdTimer: running(timers.at('hold'), session?.holdTime ?? OPEN_HOLD_TIME),
    keepaliveTimer: running(timers.at('keepalive'), session?.keepaliveTime ?? 0),
    sendHoldTimer: running(timers.at('send-hold'), sendHoldTime(session?.holdTime ?? 0)),
    restartTimer: running(nextStale?.until, wholeSeconds(nextStale?.duration ?? 0)),
    holdDownTimer: running(holdDown.startsAt, holdDown.duration),
    connectTimer: running(own.timers.at('connect-retry'), wholeSeconds(own.timers.connectRetry)),
  }
}

const wholeSeconds = (time: Millis): Seconds => Math.ceil(inSeconds(time))
