/**
 * Parses Calico's FelixConfiguration. Only three things in it concern this agent: how outgoing packets are translated where a
 * pool does not set it, how service loops are prevented, and whether Felix writes routes itself.
 */
import { PROGRAM_CLUSTER_ROUTES, SERVICE_LOOP_PREVENTIONS } from '../intent.ts'
import type { FelixObject } from '../objects.ts'
import type { Findings } from '../problem.ts'
import type { ObjectRef } from '../source.ts'
import { Fields } from './fields.ts'
import { NAT_EXCLUSIONS, parsePorts } from './pool.ts'

export function parseFelix(object: Record<string, unknown>, _ref: ObjectRef, findings: Findings): FelixObject {
  const spec = new Fields(findings, '', object).record('spec') ?? new Fields(findings, 'spec', {})
  return {
    serviceLoopPrevention: spec.oneOf('serviceLoopPrevention', SERVICE_LOOP_PREVENTIONS),
    programClusterRoutes: spec.oneOf('programClusterRoutes', PROGRAM_CLUSTER_ROUTES),
    natPorts: typeof spec.raw('natPortRange') === 'number' ? parsePort(spec) : parsePorts(spec, 'natPortRange'),
    natAddress:
      spec.has('natOutgoingAddress') && spec.raw('natOutgoingAddress') !== ''
        ? spec.hostAddress('natOutgoingAddress')
        : undefined,
    natExclusions: spec.oneOf('natOutgoingExclusions', NAT_EXCLUSIONS),
  }
}

/** As in Calico, a single number is a range of one port. */
function parsePort(spec: Fields): FelixObject['natPorts'] {
  const port = spec.whole('natPortRange', 1, 65_535)
  return port === undefined ? undefined : { first: port, last: port }
}
