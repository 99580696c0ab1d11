/** The difference between two whole intents, found without what a builder remembers. */
import { finish } from '../../src/base/work.ts'
import { diffNode, diffPeers, EMPTY_INTENT, type IntentDiff } from '../../src/cluster/diff.ts'
import type { Intent } from '../../src/cluster/intent.ts'
import { same } from '../../src/cluster/same.ts'

export function diffIntent(before: Intent | undefined, after: Intent): IntentDiff {
  const from = before ?? EMPTY_INTENT
  return {
    node: diffNode(from.node, after.node),
    peers: finish(diffPeers(from.peers, after.peers)),
    routes: diffRoutes(from.routes, after.routes),
    serviceAddresses: diffServiceAddresses(from.serviceAddresses, after.serviceAddresses),
  }
}

function diffRoutes(before: Intent['routes'], after: Intent['routes']): IntentDiff['routes'] {
  return {
    announce: [...after].filter(([text, route]) => !same(before.get(text), route)).map(([, route]) => route),
    withdraw: [...before].filter(([text]) => !after.has(text)).map(([, route]) => route),
  }
}

const diffServiceAddresses = (
  before: Intent['serviceAddresses'],
  after: Intent['serviceAddresses'],
): IntentDiff['serviceAddresses'] => ({
  added: [...after].filter(([text]) => !before.has(text)).map(([, prefix]) => prefix),
  removed: [...before].filter(([text]) => !after.has(text)).map(([, prefix]) => prefix),
})
