/** Neighbors and ranges in JSON: `show protocols`. */
import { FAMILIES, type Family } from '../base/family.ts'
import type { Command, Which } from './command.ts'
import { type Json, list, mapped, time } from './json-rows.ts'
import { paced } from './paced.ts'
import { formatLastError, isUnknown, rangeState, remoteAsOf } from './protocols.ts'
import { CODE, type Row } from './reply.ts'
import { formatRouterId } from './router-id.ts'
import type { ChannelView, ProtocolView, RangeView, View } from './view.ts'
import { noProtocols, protocolsFor, rangesFor } from './which.ts'

export function* protocolsJson(command: Extract<Command, { kind: 'show-protocols' }>, view: View): Iterable<Row> {
  const end = (count: number): Row =>
    count === 0 && command.which !== undefined ? noProtocols() : { code: CODE.ok, text: '' }
  yield* list(protocolItems(command, view), end)
}

function* protocolItems({ which }: { readonly which: Which | undefined }, view: View): Iterable<Json | undefined> {
  yield* mapped(paced(protocolsFor(which, view)), (protocol) => protocolJson(protocol, view))
  for (const range of rangesFor(which, view)) yield rangeJson(range, view)
}

/** In the shape of a neighbor, with how many it made. */
function rangeJson(range: RangeView, view: View): Json {
  const { name, kind, object, port, remoteAs, localAs, held, since, limit, neighbors } = range
  return {
    name,
    kind,
    peer: range.range,
    port,
    remoteAs: typeof remoteAs === 'number' ? remoteAs : null,
    state: rangeState(range),
    since: time(view, since),
    lastError: null,
    families: {},
    object: object ?? null,
    disabled: false,
    held: held ?? null,
    localAs,
    range: range.range,
    neighbors,
    limit,
  }
}

function protocolJson(protocol: ProtocolView, view: View): Json {
  const { name, kind, object, range, peer, disabled, held, discovery, bfd, families } = protocol
  const { config, state, since, lastError, attemptError, session } = peer
  return {
    name,
    kind,
    peer: isUnknown(config) ? null : config.remote.address,
    port: config.remote.port,
    remoteAs: remoteAsOf(peer) ?? null,
    state,
    since: time(view, since),
    lastError: lastError === undefined ? null : formatLastError(lastError),
    families: Object.fromEntries(
      FAMILIES.flatMap((family) => {
        const channel = families[family]
        return channel === undefined ? [] : [[family, channelJson(channel, session?.families, family)]]
      }),
    ),
    object: object ?? null,
    range: range ?? null,
    disabled,
    held: held ?? null,
    drained: protocol.drained ?? null,
    localAs: config.localAs,
    lastErrorAt: lastError === undefined ? null : time(view, lastError.at),
    attemptError: attemptError === undefined ? null : formatLastError(attemptError),
    routerId: session === undefined ? null : formatRouterId(session.remoteRouterId),
    sourceAddress: session?.local.address ?? null,
    holdTime: session?.holdTime ?? null,
    keepaliveTime: session?.keepaliveTime ?? null,
    timesEstablished: peer.established,
    messages: { received: { ...peer.received }, sent: { ...peer.sent } },
    interface: discovery?.interface ?? null,
    defaultGateway: protocol.gateway ?? null,
    bfd: bfd?.state ?? null,
    otherRouters: discovery?.others.map(({ address }) => address) ?? [],
  }
}

function channelJson(channel: ChannelView, agreed: readonly Family[] | undefined, family: Family): Json {
  const { counts, nextHop, held, carriedBy, importPolicy, exportPolicy } = channel
  return {
    received: counts.received,
    accepted: counts.accepted,
    advertised: counts.advertised,
    preferred: counts.preferred,
    memory: { ...counts.memory },
    up: agreed?.includes(family) ?? false,
    nextHop: nextHop ?? null,
    held: held ?? null,
    carriedBy: carriedBy ?? null,
    importPolicy,
    exportPolicy,
    endOfRibReceived: counts.endOfRibReceived,
    endOfRibSent: counts.endOfRibSent,
  }
}
