/**
 * Parses Calico's FelixConfiguration. Only three things in it concern this agent: how outgoing packets are translated where a
 * pool does not set it, how service loops are prevented, and whether Felix writes routes itself.
 */
import { PROGRAM_CLUSTER_ROUTES, SERVICE_LOOP_PREVENTIONS, type ServiceLoopPrevention } from '../intent.ts'
import type { FelixObject } from '../objects.ts'
import type { Findings } from '../problem.ts'
import type { ObjectRef } from '../source.ts'
import { Fields } from './fields.ts'
import { NAT_EXCLUSIONS, parsePorts } from './pool.ts'

export function parseFelix(object: Record<string, unknown>, _ref: ObjectRef, findings: Findings): FelixObject {
  const spec = new Fields(findings, '', object).record('spec') ?? new Fields(findings, 'spec', {})
  return {
    serviceLoopPrevention: readLoopPrevention(spec),
    programClusterRoutes: spec.oneOf('programClusterRoutes', PROGRAM_CLUSTER_ROUTES),
    natPorts: readPorts(spec),
    natAddress:
      spec.has('natOutgoingAddress') && spec.raw('natOutgoingAddress') !== ''
        ? spec.hostAddress('natOutgoingAddress')
        : undefined,
    natExclusions: spec.oneOf('natOutgoingExclusions', NAT_EXCLUSIONS),
  }
}

/** Felix takes these words in capitals and small letters. */
function readLoopPrevention(spec: Fields): ServiceLoopPrevention | undefined {
  const given = spec.raw('serviceLoopPrevention')
  const word = SERVICE_LOOP_PREVENTIONS.find(
    (one) => typeof given === 'string' && one.toLowerCase() === given.toLowerCase(),
  )
  return word ?? spec.oneOf('serviceLoopPrevention', SERVICE_LOOP_PREVENTIONS)
}

/** As in Calico, a single port, as a number or as text, is a range of one. */
function readPorts(spec: Fields): FelixObject['natPorts'] {
  const given = spec.raw('natPortRange')
  const first = typeof given === 'string' && /^\d{1,5}$/.test(given) ? Number(given) : given
  if (typeof first !== 'number') return parsePorts(spec, 'natPortRange')
  if (Number.isInteger(first) && first >= 1 && first <= 65_535) return { first, last: first }
  return spec.findings.wrong(
    spec.at('natPortRange'),
    given,
    'is not a port, as in 1024, or a range of ports, as in 1024:65535',
  )
}
