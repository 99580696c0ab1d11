/** `show status`: version, router ID, uptime, source of objects, sessions and problems. */
import { counted } from '../base/counted.ts'
import { CODE, type Row } from './reply.ts'
import { formatRouterId } from './router-id.ts'
import { formatProblem } from './services.ts'
import { formatTime, type TimeStyle } from './time.ts'
import type { View } from './view.ts'

/** The problems that are listed; further ones are only counted. */
const NAMED = 10

export function* statusRows(view: View, style: TimeStyle, version: string): Iterable<Row> {
  const status = view.status()
  const time = (at: number) => formatTime(view.epoch + at, view.epoch + view.now, style)
  const report = (text: string): Row => ({ code: CODE.uptime, text })
  yield { code: CODE.version, text: `BIRD ${version}` }
  // BIRD's line always has an address: 0.0.0.0 until ours is known.
  yield report(`Router ID is ${formatRouterId(status.routerId ?? 0)}`)
  yield report(`Hostname is ${status.hostName}`)
  yield report(`Current server time is ${time(view.now)}`)
  yield report(`Last reboot on ${time(status.startedAt)}`)
  yield report(`Last reconfiguration on ${time(status.configuredAt)}`)
  yield report(`Godwit ${status.version} on node ${status.node}, AS ${status.asNumber ?? 'not yet known'}`)
  yield report(`Objects from ${status.source.kind}, ${status.source.synced ? 'all read' : 'not all read yet'}`)
  const { stage, reason, staying } = view.leaving()
  if (stage !== 'here') yield report(`Leaving (${stage}): ${reason}`)
  else if (staying !== undefined) yield report(`Not leaving: cancelled by hand, although ${staying}`)
  const problems = view.problems()
  for (const problem of problems.slice(0, NAMED)) yield report(`Problem: ${formatProblem(problem)}`)
  if (problems.length > NAMED)
    yield report(`${counted(problems.length - NAMED, 'more problem', 'more problems')}: see show services`)
  yield { code: CODE.statusReport, text: status.stopping ? 'Shutdown in progress' : 'Daemon is up and running' }
}
