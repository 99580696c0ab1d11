/** `IPPool`, spec as Calico's. */
import { familyOfAddress } from '../../base/address.ts'
import type { Family } from '../../base/family.ts'
import { hostPrefix, parsePrefix } from '../../base/prefix.ts'
import type { PoolNat, PoolObject } from '../pool.ts'
import type { Findings } from '../problem.ts'
import type { ObjectRef } from '../source.ts'
import { Fields } from './fields.ts'

/** These concern the handing out of addresses or an overlay: nothing for a route advertiser to do. */
const NOT_OURS = ['blockSize', 'nodeSelector', 'namespaceSelector', 'assignmentMode']
const OVERLAYS = ['ipipMode', 'vxlanMode'] as const

export function parsePool(
  object: Record<string, unknown>,
  { name }: ObjectRef,
  findings: Findings,
): PoolObject | undefined {
  const spec = new Fields(findings, '', object).record('spec')
  if (spec === undefined) return findings.missing('spec')
  const prefix = spec.prefix('cidr')
  if (!spec.has('cidr')) findings.missing('spec.cidr')
  for (const field of NOT_OURS) spec.raw(field)
  for (const field of OVERLAYS) {
    const mode = spec.text(field)
    if (mode === undefined || mode === 'Never') continue
    findings.say('field-not-carried-out', spec.at(field), 'there is no overlay here; the pool is routed')
  }
  const pool = {
    name,
    disabled: spec.flag('disabled') ?? false,
    disableBgpExport: spec.flag('disableBGPExport') ?? false,
    natOutgoing: spec.flag('natOutgoing') ?? false,
    loadBalancerOnly: isLoadBalancerOnly(spec.texts('allowedUses')),
    nat: parseNat(spec, prefix?.family),
  }
  const isFaulty = (field: string) => [...findings.faulty].some((faulty) => faulty.startsWith(`spec.${field}`))
  // A pool in part: nothing of it is told to anyone, or translated, that may not be meant to be.
  if (isFaulty('disableBGPExport')) pool.disableBgpExport = true
  if (isFaulty('nat')) pool.natOutgoing = false
  spec.rest()
  return prefix === undefined ? undefined : { ...pool, prefix }
}

const isLoadBalancerOnly = (uses: readonly string[]): boolean =>
  uses.length > 0 && uses.every((use) => use === 'LoadBalancer')

/** Ours alone: exclusions, a fixed address, ports. A pool has one family, and what is said here is of that. */
function parseNat(spec: Fields, family: Family | undefined): PoolNat {
  const nat = spec.record('nat') ?? new Fields(spec.findings, spec.at('nat'), {})
  const exclude = nat.list('excludeCIDRs', (item, at) => {
    const prefix = typeof item === 'string' ? (parsePrefix(item) ?? hostPrefix(item)) : undefined
    return prefix ?? nat.findings.wrong(at, item, 'is not a CIDR')
  })
  const address = nat.address('address')
  if (exclude.some((prefix) => prefix.family !== family)) {
    nat.findings.say(
      'field-without-effect',
      nat.at('excludeCIDRs'),
      'names CIDRs of the other family; those say nothing',
    )
  }
  if (address !== undefined && family !== undefined && familyOfAddress(address) !== family) {
    nat.findings.wrong(
      nat.at('address'),
      address,
      `is no ${family === 'ipv4' ? 'IPv4' : 'IPv6'} address, as the pool is`,
    )
  }
  const parsed = { exclude, address, ports: parsePorts(nat), fullyRandom: nat.flag('fullyRandom') ?? true }
  nat.rest()
  return parsed
}

function parsePorts(nat: Fields): PoolNat['ports'] {
  const text = nat.text('portRange')
  if (text === undefined) return undefined
  const [, first, last] = /^(\d{1,5})[:-](\d{1,5})$/.exec(text) ?? []
  const ports = { first: Number(first), last: Number(last) }
  if (ports.first >= 1 && ports.first <= ports.last && ports.last <= 65_535) return ports
  return nat.findings.wrong(nat.at('portRange'), text, 'is not a range of ports, as in 1024:65535')
}
