/** `show summary`: all neighbors and their prefixes in one screen, as `show bgp summary` of other speakers has it. */
import { counted } from '../base/counted.ts'
import { FAMILIES, type Family } from '../base/family.ts'
import { inSeconds, type Millis } from '../base/units.ts'
import { paced } from './paced.ts'
import { isUnknown, remoteAsOf, stateOf } from './protocols.ts'
import { CODE, PAUSE, type Row } from './reply.ts'
import { formatRouterId } from './router-id.ts'
import type { ProtocolView, View } from './view.ts'

/** A neighbor in one line. Counts are of prefixes; undefined where the session does not carry the family. */
export interface Summary {
  readonly name: string
  readonly peer: string
  readonly remoteAs: number | undefined
  readonly state: string
  /** Why the session is kept down; undefined where it is not. */
  readonly down: 'Disabled' | 'Held' | undefined
  /** How long it has been in that state. */
  readonly inState: Millis
  readonly families: Readonly<Partial<Record<Family, Counts>>>
}

interface Counts {
  readonly received: number
  readonly accepted: number
  readonly advertised: number
}

/** Undefined is a pause. */
export function* summaries(view: View): Iterable<Summary | undefined> {
  for (const protocol of paced(view.eachProtocol())) yield protocol && summaryOf(protocol, view.now)
}

function summaryOf(protocol: ProtocolView, now: Millis): Summary {
  const { name, peer, discovery, families } = protocol
  const carried = FAMILIES.flatMap((family) => {
    const counts = families[family]?.counts
    if (counts === undefined || peer.session?.families.includes(family) !== true) return []
    const { received, accepted, advertised } = counts
    return [[family, { received, accepted, advertised }] as const]
  })
  return {
    name,
    peer: isUnknown(peer.config) ? (discovery?.interface ?? 'DefaultGateway') : peer.config.remote.address,
    remoteAs: remoteAsOf(peer),
    state: stateOf(protocol),
    down: stateOf(protocol) !== 'Down' ? undefined : protocol.disabled ? 'Disabled' : 'Held',
    inState: now - peer.since,
    families: Object.fromEntries(carried),
  }
}

const HEADING = ['Neighbor', 'AS', 'State', 'Up/Down', 'v4 rcvd', 'acc', 'adv', 'v6 rcvd', 'acc', 'adv', 'Name']
const RIGHT: ReadonlySet<number> = new Set([1, 3, 4, 5, 6, 7, 8, 9])

export function* summaryRows(view: View): Iterable<Row> {
  const { asNumber, routerId } = view.status()
  const all: string[][] = []
  let established = 0
  for (const summary of summaries(view)) {
    if (summary === undefined) {
      yield PAUSE
      continue
    }
    if (summary.state === 'Established') established++
    all.push(cells(summary))
  }
  const who = `Router ID ${routerId === undefined ? '-' : formatRouterId(routerId)}, local AS ${asNumber ?? '-'}`
  yield {
    code: CODE.summaryHeading,
    text: `${who}: ${established} of ${counted(all.length, 'neighbor', 'neighbors')} Established`,
  }
  const lines = [HEADING, ...all]
  const widths = HEADING.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  for (const line of lines) {
    const padded = line.map((cell, column) =>
      RIGHT.has(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
    )
    yield { code: CODE.summary, text: padded.join('  ').trimEnd() }
  }
  yield { code: CODE.ok, text: '' }
}

function cells({ name, peer, remoteAs, state, down, inState, families }: Summary): string[] {
  const counts = FAMILIES.flatMap((family) => {
    const found = families[family]
    return found === undefined ? ['-', '-', '-'] : [found.received, found.accepted, found.advertised].map(String)
  })
  return [peer, String(remoteAs ?? '-'), down ?? state, formatSpan(inState), ...counts, name]
}

/** `00:12:34`, `3d04h`, `12w3d`: as routers write how long something has lasted. */
function formatSpan(span: Millis): string {
  const seconds = Math.max(0, Math.floor(inSeconds(span)))
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24]
  const two = (value: number) => String(value).padStart(2, '0')
  if (days >= 7) return `${Math.floor(days / 7)}w${days % 7}d`
  if (days > 0) return `${days}d${two(hours)}h`
  return `${two(hours)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}
