/** `IPPool`, spec as Calico's. */
import { familyOfAddress, isMappedAt } from '../../base/address.ts'
import { FAMILY_WORDS, type Family } from '../../base/family.ts'
import { contains, hostPrefix, type Prefix, parsePrefix } from '../../base/prefix.ts'
import type { PoolNat, PoolObject, UnplacedPool } from '../pool.ts'
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
): PoolObject | UnplacedPool | undefined {
  const root = new Fields(findings, '', object)
  const spec = root.record('spec')
  if (spec === undefined) return findings.missing('spec')
  const prefix = parseCidr(spec)
  if (!spec.has('cidr')) findings.missing('spec.cidr')
  for (const field of NOT_OURS) spec.raw(field)
  for (const field of OVERLAYS) {
    const mode = spec.text(field)
    if (mode === undefined || mode === 'Never') continue
    findings.say('field-not-carried-out', spec.at(field), 'Godwit has no overlay; the pool is routed')
  }
  const uses = spec.texts('allowedUses')
  if (uses.includes('LoadBalancer') && spec.raw('disableBGPExport') === true) {
    findings.wrong(spec.at('disableBGPExport'), true, 'does not apply to pools of LoadBalancer addresses')
  }
  const pool = {
    name,
    labels: root.labels(),
    disabled: spec.flag('disabled') ?? false,
    disableBgpExport: spec.flag('disableBGPExport') ?? false,
    natOutgoing: spec.flag('natOutgoing') ?? false,
    loadBalancerOnly: isLoadBalancerOnly(uses),
    nat: parseNat(spec, prefix?.family),
  }
  const isFaulty = (field: string) => [...findings.faulty].some((faulty) => faulty.startsWith(`spec.${field}`))
  // A pool with errors: nothing of it is advertised or translated that may not be meant to be.
  if (isFaulty('disableBGPExport')) pool.disableBgpExport = true
  if (isFaulty('nat')) pool.natOutgoing = false
  spec.reportUnknown()
  if (prefix !== undefined) return { ...pool, prefix }
  return pool.disableBgpExport ? { name, prefix, family: familyMeant(spec.raw('cidr')) } : undefined
}

/** The family of a `cidr` that is none, where its author can have meant only one. */
function familyMeant(cidr: unknown): Family | undefined {
  if (typeof cidr !== 'string') return undefined
  if (cidr.includes(':')) return 'ipv6'
  return cidr.includes('.') ? 'ipv4' : undefined
}

/** Ranges that are no pool's: who routes there has something else there. */
const NO_POOLS: readonly (readonly [range: string, what: string])[] = [
  ['169.254.0.0/16', 'is link-local'],
  ['fe80::/10', 'is link-local'],
  ['127.0.0.0/8', 'is a range of loopback addresses'],
  ['::1/128', 'is a loopback address'],
  ['224.0.0.0/4', 'is a multicast range'],
  ['ff00::/8', 'is a multicast range'],
]
const RESERVED = NO_POOLS.flatMap(([range, what]) => {
  const prefix = parsePrefix(range)
  return prefix === undefined ? [] : [{ prefix, what }]
})

function parseCidr(spec: Fields): Prefix | undefined {
  const prefix = spec.prefix('cidr')
  if (prefix === undefined) return undefined
  const isMapped = prefix.length >= 96 && isMappedAt(prefix.bytes, 0)
  const reserved = RESERVED.find((one) => contains(one.prefix, prefix))?.what
  const why = isMapped ? 'is an IPv4 range inside IPv6' : reserved
  return why === undefined ? prefix : spec.findings.wrong(spec.at('cidr'), prefix.text, why)
}

const isLoadBalancerOnly = (uses: readonly string[]): boolean =>
  uses.length > 0 && uses.every((use) => use === 'LoadBalancer')

const MOST_EXCLUDED = 500

/** Ours alone: exclusions, a fixed address, ports. A pool has one family, and what is said here is of that. */
function parseNat(spec: Fields, family: Family | undefined): PoolNat {
  const nat = spec.record('nat') ?? new Fields(spec.findings, spec.at('nat'), {})
  const readCidr = (item: unknown, at: string) => {
    const prefix = typeof item === 'string' ? (parsePrefix(item) ?? hostPrefix(item)) : undefined
    return prefix ?? nat.findings.wrong(at, item, 'is not a CIDR')
  }
  const exclude = nat.list('excludeCIDRs', readCidr, MOST_EXCLUDED)
  const address = nat.hostAddress('address')
  if (exclude.some((prefix) => prefix.family !== family)) {
    nat.findings.say(
      'field-without-effect',
      nat.at('excludeCIDRs'),
      'names CIDRs of the other family; those have no effect',
    )
  }
  if (address !== undefined && family !== undefined && familyOfAddress(address) !== family) {
    nat.findings.wrong(nat.at('address'), address, `is not an ${FAMILY_WORDS[family]} address, but the pool is`)
  }
  const parsed = { exclude, address, ports: parsePorts(nat, 'portRange'), fullyRandom: nat.flag('fullyRandom') ?? true }
  nat.reportUnknown()
  return parsed
}

/** `natOutgoingExclusions`. */
export const NAT_EXCLUSIONS = ['IPPoolsOnly', 'IPPoolsAndHostIPs'] as const

/** `1024:65535` or `1024-65535`. */
export function parsePorts(nat: Fields, field: string): PoolNat['ports'] {
  const text = nat.text(field)
  if (text === undefined) return undefined
  const [, first, last] = /^(\d{1,5})[:-](\d{1,5})$/.exec(text) ?? []
  const ports = { first: Number(first), last: Number(last) }
  if (ports.first >= 1 && ports.first <= ports.last && ports.last <= 65_535) return ports
  return nat.findings.wrong(nat.at(field), text, 'is not a range of ports, as in 1024:65535')
}
