/** `IPPool`, spec as Calico's. */
import { Fields } from './fields.ts'
import type { PoolObject } from './objects.ts'
import type { Findings } from './problem.ts'
import type { ObjectRef } from './source.ts'

/** These concern the handing out of addresses or an overlay: nothing for a route advertiser to do. */
const NOT_OURS = ['blockSize', 'nodeSelector', 'namespaceSelector', 'allowedUses', 'assignmentMode']
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
  spec.notCarriedOut(['nat'])
  const pool = {
    name,
    disabled: spec.flag('disabled') ?? false,
    disableBgpExport: spec.flag('disableBGPExport') ?? false,
    natOutgoing: spec.flag('natOutgoing') ?? false,
  }
  spec.rest()
  return prefix === undefined ? undefined : { ...pool, prefix }
}
