/** Turns the intent for a neighbor into the configuration of its session. */
import type { Millis } from '../base/units.ts'
import type { PeerConfig } from '../bgp/session/types.ts'
import type { NodeIntent, PeerIntent } from '../cluster/intent.ts'

/** How long the side that should be dialled waits before it dials itself. */
const WAITING_SIDE_DELAY: Millis = 5_000

export function peerConfig(intent: PeerIntent, node: NodeIntent): PeerConfig {
  return {
    name: intent.name,
    remote: { address: intent.address, port: intent.port },
    localAddress: intent.sourceAddress,
    localMayYield: intent.sourceMayYield,
    signing: intent.signing?.kind,
    localAs: intent.localAs,
    remoteAs: intent.remoteAs,
    routerId: node.routerId,
    families: intent.families,
    holdTime: intent.holdTime,
    keepaliveTime: intent.keepaliveTime,
    connectRetryTime: intent.connectRetryTime,
    passive: intent.passive,
    dialDelay: intent.waits ? WAITING_SIDE_DELAY : 0,
    hostName: node.name,
    extendedNextHop: intent.extendedNextHop,
    addPath: intent.addPath,
    ...(intent.role !== undefined && { role: intent.role }),
    strictRole: intent.strictRole,
    ...(intent.restartTime !== undefined && { restartTime: intent.restartTime }),
    longLivedTime: intent.longLivedTime,
    // The N bit (RFC 8538) only beside BFD: with it an expired hold timer looks like a restart, and without BFD a dead node
    // would attract traffic for `restartTime` longer.
    restartNotification: intent.bfd !== undefined,
  }
}
