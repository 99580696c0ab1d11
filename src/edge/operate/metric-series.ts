/** The series of the page for Prometheus: their names, help and labels. */
import { Counter, Gauge, type Registry } from 'prom-client'

/** All series that are read from the view, by what they show. */
export type Series = ReturnType<typeof makeSeries>

export function makeSeries(registry: Registry) {
  const registers = [registry]
  const make: Makers = {
    gauge: (name, help, labelNames = []) => new Gauge({ name: `godwit_${name}`, help, labelNames, registers }),
    counter: (name, help, labelNames = []) => new Counter({ name: `godwit_${name}`, help, labelNames, registers }),
  }
  return { ...sessionSeries(make), ...routeSeries(make), ...bfdSeries(make), ...nodeSeries(make) }
}

interface Makers {
  readonly gauge: (name: string, help: string, labelNames?: string[]) => Gauge
  readonly counter: (name: string, help: string, labelNames?: string[]) => Counter
}

function sessionSeries({ gauge, counter }: Makers) {
  return {
    up: gauge(
      'session_up',
      '1 while the session is Established; for the mesh or a peerRange, the number of Established sessions.',
      ['peer', 'kind'],
    ),
    callers: counter(
      'callers_refused_total',
      'Connections refused because the caller is not a configured neighbor, or because a limit was reached.',
    ),
    dropped: counter(
      'callers_dropped_total',
      'Packets dropped in floods because they came from addresses that are not configured neighbors.',
    ),
    down: gauge('sessions_down', 'Number of sessions that should be Established and are not.', ['peer', 'kind']),
    disabled: gauge(
      'session_disabled',
      '1 while the session is disabled by command; for the mesh or a peerRange, the number of such sessions.',
      ['peer', 'kind'],
    ),
    state: gauge(
      'session_state',
      '1 for the state (RFC 4271) of the session; for the mesh or a peerRange, the number of sessions in that state.',
      ['peer', 'state'],
    ),
    stateSeconds: gauge('session_state_seconds', 'Time that the session has been in its state.', ['peer']),
    established: counter('session_established_total', 'How often the session reached Established.', ['peer']),
    flaps: counter(
      'session_flaps_total',
      'How often a session reached Established after it had done so three times in the 15 minutes before.',
      ['peer'],
    ),
    transitions: counter(
      'session_transitions_total',
      'State changes of the session (RFC 4271), by the state entered.',
      ['peer', 'to'],
    ),
    messages: counter('messages_total', 'BGP messages sent and received, by type.', ['peer', 'type', 'direction']),
    notifications: counter('notifications_total', 'NOTIFICATIONs sent and received, by code and subcode.', [
      'peer',
      'direction',
      'code',
      'subcode',
    ]),
    updateProblems: counter('update_problems_total', 'Faults in UPDATEs that did not end the session (RFC 7606).', [
      'peer',
      'action',
    ]),
  }
}

/** Metrics of the routes of a peer. */
function routeSeries({ gauge }: Makers) {
  return {
    received: gauge('received_prefixes', 'Prefixes in the Adj-RIB-In of the peer, before policy.', ['peer', 'family']),
    accepted: gauge('accepted_prefixes', 'Prefixes from the peer that import policy accepts.', ['peer', 'family']),
    stale: gauge(
      'stale_routes',
      '1 while routes of a peer whose session was lost are kept (RFC 4724); for the mesh or a peerRange, the number of such peers.',
      ['peer', 'family'],
    ),
    routeMemory: gauge('route_memory_bytes', 'Memory that the routes in the Adj-RIB-In are charged with.', [
      'peer',
      'family',
    ]),
    advertised: gauge('advertised_prefixes', 'Prefixes advertised to the peer.', ['peer', 'family']),
  }
}

function bfdSeries({ gauge, counter }: Makers) {
  return {
    bfdUp: gauge(
      'bfd_session_up',
      '1 while the BFD session that watches the peer is Up; for the mesh or a peerRange, the number of sessions that are Up.',
      ['peer'],
    ),
    bfdDetection: gauge(
      'bfd_detection_time_seconds',
      'BFD detection time: after this time without a packet, the session goes Down; for the mesh or a peerRange, the longest.',
      ['peer'],
    ),
    bfdFlaps: counter(
      'bfd_session_flaps_total',
      'How often a BFD session went Up after it had done so three times in the 15 minutes before.',
      ['peer'],
    ),
    bfdTransitions: counter(
      'bfd_session_transitions_total',
      'State changes of the BFD session, by the state entered.',
      ['peer', 'to'],
    ),
    bfdPackets: counter('bfd_packets_total', 'BFD packets sent and received, of all sessions.', ['direction']),
    bfdDropped: counter('bfd_dropped_packets_total', 'BFD packets that were dropped, by the rule they break.', [
      'reason',
    ]),
    bfdLeast: gauge(
      'bfd_least_interval_seconds',
      'Lower bound that the agent puts on BFD intervals, because of its priority or to limit packets: shorter configured ones are raised to it; 0 without BFD.',
    ),
  }
}

/** Metrics of objects, the kernel and memory. */
function nodeSeries({ gauge, counter }: Makers) {
  return {
    filterHits: counter('filter_hits_total', 'Routes that matched a rule of a BGPFilter.', ['rule']),
    nat: counter('nat_packets_total', 'First packets of flows that left with another source address, by pool.', [
      'pool',
      'family',
    ]),
    serviceLoops: counter(
      'service_loop_packets_total',
      'Packets dropped or rejected here: their destination is an advertised service address that no service accepts (serviceLoopPrevention).',
      ['family'],
    ),
    synced: gauge('source_synced', '1 once all objects have been listed.'),
    problems: gauge(
      'problems',
      'Problems that the agent reports, such as objects and fields that are wrong or held back.',
    ),
    left: gauge(
      'node_left',
      '1 while this node has left: it has no session and advertises nothing, as it was told to.',
    ),
    localRoutes: gauge('local_routes', 'Routes this node originates.'),
    nodeRoutes: gauge(
      'node_routes',
      'Direct routes to pods of other nodes that nodeRoutes asks for, by state: written to the kernel, or missing there.',
      ['family', 'state'],
    ),
    memory: gauge('memory_bytes', 'Memory of the routing tables, route attributes and advertised routes.', ['what']),
  }
}
