/** Collects the status of this node from the engine's view, a part in each turn: a mesh has thousands of sessions. */
import { FAMILIES, type Family } from '../base/family.ts'
import type { Problem } from '../cluster/intent.ts'
import { formatLastError, remoteAsOf, stateOf } from '../show/protocols.ts'
import type { ProtocolView, View } from '../show/view.ts'
import { bounded, shown } from './bounds.ts'
import { nodeConditions } from './conditions.ts'
import type { MeshStatus, NodeCounts, NodeStatus, ProblemStatus, RouterStatus } from './node-status.ts'

/** Sessions looked at in one turn. */
const SLICE = 128
/** At most so many sessions of the mesh that are not Established are told by name. */
const MOST_NAMED = 50
/** Problems that are told in full. */
const MOST_PROBLEMS = 20

export class Survey {
  readonly #view: View
  /**
   * Each neighbor as it is when its turn comes: of one that is added or removed between two turns the status may say what was
   * before. `engine/status` plans another survey for what changes meanwhile.
   */
  readonly #protocols: Iterator<ProtocolView>
  readonly #routers: RouterStatus[] = []
  readonly #mesh = new MeshSum()
  #configured = 0
  #established = 0

  constructor(view: View) {
    this.#view = view
    this.#protocols = view.eachProtocol()[Symbol.iterator]()
  }

  /** The next part; the status once nothing is left to look at. */
  advance(): NodeStatus | undefined {
    for (let looked = 0; looked < SLICE; looked++) {
      const { done, value } = this.#protocols.next()
      if (done) return this.#finish()
      this.#note(value)
    }
    return undefined
  }

  #note(protocol: ProtocolView): void {
    this.#configured++
    if (protocol.peer.state === 'Established') this.#established++
    if (protocol.kind === 'Mesh') this.#mesh.note(protocol)
    else this.#routers.push(routerStatus(protocol))
  }

  #finish(): NodeStatus {
    const { version, startedAt, asNumber, routerId } = this.#view.status()
    const problems = this.#view.problems()
    const sessions = { configured: this.#configured, established: this.#established }
    return bounded({
      version: shown(version),
      startedAt,
      asNumber,
      routerId,
      sessions,
      routers: this.#routers,
      mesh: this.#mesh.status(),
      localRoutes: localRoutes(this.#view),
      conditions: nodeConditions(this.#view, sessions),
      problems: problems.slice(0, MOST_PROBLEMS).map(problemStatus),
      problemCount: problems.length,
    })
  }
}

class MeshSum {
  #configured = 0
  #established = 0
  readonly #families: Record<Family, NodeCounts> = { ipv4: NO_COUNTS, ipv6: NO_COUNTS }
  readonly #down: MeshStatus['notEstablished'][number][] = []

  note(protocol: ProtocolView): void {
    this.#configured++
    const { name, peer, families } = protocol
    if (peer.state === 'Established') this.#established++
    else if (this.#down.length < MOST_NAMED) {
      const error = errorOf(protocol)
      const address = peer.config.remote.address
      const lastError = error?.text
      this.#down.push({ name: shown(name), peer: address, state: shown(stateOf(protocol)), lastError })
    }
    for (const family of FAMILIES) {
      const counts = families[family]?.counts
      if (counts !== undefined) this.#families[family] = sum(this.#families[family], counts)
    }
  }

  status(): MeshStatus | undefined {
    if (this.#configured === 0) return undefined
    const [configured, established] = [this.#configured, this.#established]
    return { configured, established, families: this.#families, notEstablished: this.#down }
  }
}

function routerStatus(protocol: ProtocolView): RouterStatus {
  const { name, object, peer, held, discovery, families } = protocol
  const { session, since, lostAt, stale = [] } = peer
  const isUp = peer.state === 'Established'
  return {
    name: shown(name),
    object: object === undefined ? undefined : shown(object),
    peer: shown(
      discovery === undefined ? peer.config.remote.address : (discovery.router?.address ?? discovery.interface),
    ),
    remoteAs: remoteAsOf(peer),
    state: shown(stateOf(protocol)),
    since: isUp ? since : lostAt,
    held: held === undefined ? undefined : shown(held),
    lastError: errorOf(protocol),
    restart: { time: session?.restart?.time, stale },
    families: Object.fromEntries(
      FAMILIES.flatMap((family) => {
        const counts = families[family]?.counts
        return counts === undefined ? [] : [[family, countsOf(counts)] as const]
      }),
    ),
  }
}

/**
 * Why the session last ended, or why it never began. `bgp/session/last-errors` keeps the reason of the neighbor although later
 * attempts to reach it fail; `show protocols all` has the last of these as well.
 */
function errorOf({ peer: { lastError, attemptError } }: ProtocolView): RouterStatus['lastError'] {
  const error = lastError ?? attemptError
  return error && { text: shown(formatLastError(error)), at: error.at }
}

const NO_COUNTS: NodeCounts = { received: 0, accepted: 0, advertised: 0 }

const countsOf = ({ received, accepted, advertised }: NodeCounts): NodeCounts => ({ received, accepted, advertised })

const sum = (a: NodeCounts, b: NodeCounts): NodeCounts => ({
  received: a.received + b.received,
  accepted: a.accepted + b.accepted,
  advertised: a.advertised + b.advertised,
})

function localRoutes(view: View): Record<Family, number> {
  const counted = { ipv4: 0, ipv6: 0 }
  for (const { prefix } of view.services()) counted[prefix.family]++
  return counted
}

const problemStatus = ({ level, object, field, text }: Problem): ProblemStatus => ({
  level: level ?? 'error',
  object: shown(object),
  field: shown(field),
  text: shown(text),
})
