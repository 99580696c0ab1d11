/** `show protocols` and `show protocols all`, in BIRD's layout. */

import { familyOfAddress } from '../base/address.ts'
import { FAMILIES, FAMILY_WORDS, type Family } from '../base/family.ts'
import { formatMib } from '../base/mib.ts'
import { inSeconds, type Millis, type Seconds } from '../base/units.ts'
import type { LastError, PeerConfig, PeerSnapshot } from '../bgp/session/types.ts'
import { type PeerKind, UNKNOWN_ADDRESS } from '../cluster/intent.ts'
import { capabilityRows } from './capabilities.ts'
import type { Command } from './command.ts'
import { paced } from './paced.ts'
import { CODE, PAUSE, type Row } from './reply.ts'
import { formatRouterId } from './router-id.ts'
import { formatTime, type TimeStyle } from './time.ts'
import type { ChannelView, DiscoveryView, ProtocolView, RangeView, View } from './view.ts'
import { TABLES } from './walk.ts'
import { noProtocols, protocolsFor, rangesFor } from './which.ts'

type ShowProtocols = Extract<Command, { readonly kind: 'show-protocols' }>

/** `bird1`: as BIRD 1.6 prints it, where each process has one family. */
export function* protocolRows(
  command: ShowProtocols,
  view: View,
  style: TimeStyle,
  bird1: Family | undefined,
): Iterable<Row> {
  const names = columns('Name', 'Proto', 'Table', 'State', 'Since', 'Info')
  const heading: Row = { code: CODE.protocolHeading, text: bird1 === undefined ? names : names.toLowerCase() }
  let isHeaded = false
  for (const lines of neighborsAndRanges(command, view, bird1)) {
    if (lines === undefined) {
      yield PAUSE
      continue
    }
    if (!isHeaded) yield heading
    isHeaded = true
    const { name, state, since, info, details } = lines
    const time = formatTime(view.epoch + since, view.epoch + view.now, style)
    yield {
      code: CODE.protocolRow,
      text: columns(name, 'BGP', bird1 === undefined ? '---' : 'master', state, time, info),
    }
    if (!command.all) continue
    for (const text of details()) yield { code: CODE.protocolDetails, text }
    yield { code: CODE.protocolDetails, text: '' }
  }
  if (isHeaded || command.which === undefined) {
    if (!isHeaded) yield heading
    yield { code: CODE.ok, text: '' }
  } else yield noProtocols()
}

/**
 * Neighbors and ranges of the family, sorted by name; undefined is a pause. A session may carry the family although its
 * address is of the other.
 */
function* neighborsAndRanges(
  command: ShowProtocols,
  view: View,
  bird1: Family | undefined,
): Iterable<Lines | undefined> {
  const isMeant = (address: string) => bird1 === undefined || familyOfAddress(address) === bird1
  const ranges = rangesFor(command.which, view)
    .filter(({ range }) => isMeant(range))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  // Neighbors come sorted by name.
  for (const protocol of paced(protocolsFor(command.which, view))) {
    if (protocol === undefined) {
      yield undefined
      continue
    }
    const after = ranges.findIndex(({ name }) => name >= protocol.name)
    yield* ranges.splice(0, after === -1 ? ranges.length : after).map(rangeLines)
    const carries = bird1 !== undefined && protocol.peer.session?.families.includes(bird1) === true
    if (carries || isMeant(protocol.peer.config.remote.address)) yield protocolLines(protocol, view.now)
  }
  yield* ranges.map(rangeLines)
}

/** The lines about a neighbor, or about a range. */
interface Lines {
  readonly name: string
  /** `up`, `start` or `down`. */
  readonly state: string
  readonly since: Millis
  readonly info: string
  readonly details: () => Iterable<string>
}

const protocolLines = (protocol: ProtocolView, now: Millis): Lines => ({
  name: protocol.name,
  state: stateWord(protocol),
  since: protocol.peer.since,
  info: infoOf(protocol),
  details: () => detailLines(protocol, now),
})

/** As BIRD shows a dynamic BGP protocol, from which one more is made for each neighbor that connects. */
const rangeLines = (range: RangeView): Lines => ({
  name: range.name,
  state: range.held === undefined ? 'start' : 'down',
  since: range.since,
  info: `${rangeState(range).padEnd(14)}${range.held === undefined ? takenOf(range) : `Held: ${range.held}`}`,
  details: () => rangeDetails(range),
})

/** BIRD says `Passive` of a protocol that does not connect, but waits for neighbors to do so. */
export const rangeState = ({ held }: RangeView): string => (held === undefined ? 'Passive' : 'Down')

const takenOf = ({ neighbors, limit }: RangeView): string => `${neighbors} of ${limit} neighbors`

function* rangeDetails(range: RangeView): Iterable<string> {
  const { object, kind, held, remoteAs, localAs } = range
  yield field(2, 'Description', descriptionOf(object, kind))
  if (held !== undefined) yield field(2, 'Held', held)
  yield field(2, 'BGP state', rangeState(range), 22)
  yield field(4, 'Neighbor range', range.range, 22)
  yield field(4, 'Neighbors', takenOf(range), 22)
  yield field(4, 'Neighbor AS', String(remoteAs), 22)
  yield field(4, 'Local AS', String(localAs), 22)
}

const descriptionOf = (object: string | undefined, kind: PeerKind): string =>
  object === undefined ? 'Node-to-node mesh' : `BGPPeer/${object} (${kind})`

const columns = (name: string, proto: string, table: string, state: string, since: string, info: string): string =>
  `${name.padEnd(10)} ${proto.padEnd(10)} ${table.padEnd(10)} ${state.padEnd(6)} ${since.padEnd(12)}  ${info}`

/** Not started, because of a command or an object. */
const isDown = ({ disabled, held }: ProtocolView): boolean => disabled || held !== undefined

function stateWord(protocol: ProtocolView): string {
  if (protocol.peer.state === 'Established') return 'up'
  return isDown(protocol) ? 'down' : 'start'
}

/** The state by RFC 4271; `Down` instead, where a command or an object keeps the session from starting. */
export const stateOf = (protocol: ProtocolView): string =>
  isDown(protocol) && protocol.peer.state !== 'Established' ? 'Down' : protocol.peer.state

function infoOf(protocol: ProtocolView): string {
  const { disabled, held, peer } = protocol
  const state = stateOf(protocol)
  if (state === 'Down') return `${state.padEnd(14)}${disabled ? 'Disabled' : `Held: ${held ?? ''}`}`
  return `${state.padEnd(14)}${state === 'Established' ? '' : formatLastError(peer.lastError)}`
}

export const formatLastError = (error: LastError | undefined): string =>
  error === undefined ? '' : `${error.class}: ${error.text}`

function* detailLines(protocol: ProtocolView, now: Millis): Iterable<string> {
  const { peer, object, kind } = protocol
  yield field(2, 'Description', descriptionOf(object, kind))
  if (peer.stopped && peer.stopped !== protocol.held) yield field(2, 'Message', peer.stopped)
  if (protocol.held !== undefined) yield field(2, 'Held', protocol.held)
  if (protocol.drained !== undefined) yield field(2, 'Drained', protocol.drained)
  yield field(2, 'BGP state', stateOf(protocol), 22)
  yield* neighborLines(protocol, now)
  yield* sessionLines(peer)
  yield* timerLines(peer)
  if (peer.state !== 'Established' && peer.lastError !== undefined) {
    yield field(4, 'Last error', formatLastError(peer.lastError), 22)
  }
  if (peer.attemptError !== undefined && peer.attemptError !== peer.lastError) {
    yield field(4, 'Last attempt', formatLastError(peer.attemptError), 22)
  }
  for (const family of FAMILIES) {
    const channel = protocol.families[family]
    if (channel !== undefined) yield* channelLines(family, channel, peer)
  }
}

/** `name:` and its value, which begins at a fixed column. */
const field = (indent: number, name: string, value: string, column = 18): string =>
  `${`${' '.repeat(indent)}${name}:`.padEnd(column - 1)} ${value}`

function* neighborLines({ peer, range, discovery, gateway }: ProtocolView, now: Millis): Iterable<string> {
  const { config, session } = peer
  if (range !== undefined) yield field(4, 'Neighbor range', range, 22)
  if (gateway !== undefined) yield field(4, 'Default gateway', FAMILY_WORDS[gateway], 22)
  if (discovery !== undefined) yield* discoveryLines(discovery, now)
  else if (!isUnknown(config)) yield field(4, 'Neighbor address', config.remote.address, 22)
  if (config.remote.port !== 179) yield field(4, 'Neighbor port', String(config.remote.port), 22)
  yield field(4, 'Neighbor AS', String(remoteAsOf(peer) ?? config.remoteAs), 22)
  yield field(4, 'Local AS', String(config.localAs), 22)
  if ((peer.stale ?? []).length > 0) yield '    Neighbor graceful restart active'
  if (session !== undefined) yield field(4, 'Neighbor ID', formatRouterId(session.remoteRouterId), 22)
}

/** Whether the address of the neighbor is not known yet: see `UNKNOWN_ADDRESS`. */
export const isUnknown = ({ remote }: Pick<PeerConfig, 'remote'>): boolean => remote.address === UNKNOWN_ADDRESS

/** The neighbor on a link is the first router that advertised itself there; further ones are named, and not used. */
function* discoveryLines({ interface: name, router, others }: DiscoveryView, now: Millis): Iterable<string> {
  yield field(4, 'Interface', name, 22)
  if (router === undefined) return
  const ago = (at: Millis) => `${Math.floor(inSeconds(Math.max(0, now - at)))} s ago`
  yield field(4, 'Neighbor address', router.address, 22)
  yield field(4, 'Advertised', ago(router.at), 22)
  for (const { address, at } of others)
    yield field(4, 'Second router', `${address}, ${ago(at)}: the first router remains the neighbor`, 22)
}

/** The neighbor's AS number; undefined while `external` leaves it open and no session has told it. */
export function remoteAsOf({ config, session }: PeerSnapshot): number | undefined {
  if (session !== undefined) return session.remoteAs
  if (config.remoteAs === 'internal') return config.localAs
  return config.remoteAs === 'external' ? undefined : config.remoteAs
}

function* sessionLines({ session, localCapabilities, remoteCapabilities }: PeerSnapshot): Iterable<string> {
  if (session === undefined) return
  yield '    Local capabilities'
  yield* capabilityRows(localCapabilities)
  yield '    Neighbor capabilities'
  yield* capabilityRows(remoteCapabilities)
  yield field(4, 'Session', `${session.peerType}${session.receive.fourOctetAs ? ' AS4' : ''}`, 22)
  yield field(4, 'Source address', session.local.address, 22)
}

function* timerLines(peer: PeerSnapshot): Iterable<string> {
  const { holdTimer, keepaliveTimer, sendHoldTimer, holdDownTimer, connectTimer, state } = peer
  if (holdDownTimer !== undefined) yield timer('Hold-down timer', holdDownTimer)
  if (peer.restartTimer !== undefined) yield timer('Restart timer', peer.restartTimer)
  if (state !== 'Established' && connectTimer !== undefined) yield timer('Connect delay', connectTimer)
  if (holdTimer !== undefined) yield timer('Hold timer', holdTimer)
  if (keepaliveTimer !== undefined) yield timer('Keepalive timer', keepaliveTimer)
  if (sendHoldTimer !== undefined) yield timer('Send hold timer', sendHoldTimer)
}

/** Both in seconds, as in BIRD: `left/total`. */
const timer = (name: string, { left, total }: { readonly left: Millis; readonly total: Seconds }): string =>
  field(4, name, `${inSeconds(Math.max(0, left)).toFixed(3)}/${total}`, 22)

function* channelLines(family: Family, channel: ChannelView, peer: PeerSnapshot): Iterable<string> {
  const up = peer.session?.families.includes(family) === true && peer.state === 'Established'
  yield `  Channel ${family}`
  yield field(4, 'State', up ? 'UP' : 'DOWN', 20)
  yield field(4, 'Table', TABLES[family], 20)
  yield field(4, 'Preference', '100', 20)
  yield field(4, 'Input filter', channel.importPolicy, 20)
  yield field(4, 'Output filter', channel.exportPolicy, 20)
  if (channel.held !== undefined) yield field(4, 'Held', channel.held, 20)
  if (channel.carriedBy !== undefined) yield field(4, 'Carried by', channel.carriedBy, 20)
  if (!up) return
  yield* countLines(channel)
  if (channel.nextHop !== undefined) yield field(4, 'BGP Next hop', channel.nextHop, 20)
}

function memoryText({ octets, limit, refuses }: ChannelView['counts']['memory']): string {
  return `${formatMib(octets)} of ${formatMib(limit)}${refuses ? '; further routes are rejected' : ''}`
}

function* countLines({ counts }: ChannelView): Iterable<string> {
  const { importUpdates, importWithdraws, exportUpdates, exportWithdraws } = counts
  const filtered = Math.max(0, counts.received - counts.accepted)
  const routes = [
    `${counts.accepted} imported`,
    `${filtered} filtered`,
    `${counts.advertised} exported`,
    `${counts.preferred} preferred`,
  ]
  yield field(4, 'Routes', routes.join(', '), 20)
  yield field(4, 'Route memory', memoryText(counts.memory), 20)
  yield '    Route change stats:     received   rejected   filtered    ignored   accepted'
  yield change('Import updates', [
    importUpdates.received,
    importUpdates.rejected,
    importUpdates.filtered,
    importUpdates.ignored,
    importUpdates.accepted,
  ])
  yield change('Import withdraws', [
    importWithdraws.received,
    importWithdraws.rejected,
    undefined,
    importWithdraws.ignored,
    importWithdraws.accepted,
  ])
  yield change('Export updates', [
    exportUpdates.received,
    exportUpdates.rejected,
    exportUpdates.filtered,
    undefined,
    exportUpdates.accepted,
  ])
  yield change('Export withdraws', [
    exportWithdraws.received,
    undefined,
    undefined,
    undefined,
    exportWithdraws.accepted,
  ])
}

/** A row of "Route change stats" as in BIRD: columns eleven wide, `---` in those that do not apply. */
const change = (name: string, numbers: readonly (number | undefined)[]): string =>
  `${`      ${name}:`.padEnd(26)}${numbers.map((value) => String(value ?? '---').padStart(10)).join(' ')}`
