/** A Pod: where it is, whether it is ready, and which addresses it has. */
import { hostPrefix, type Prefix } from '../../base/prefix.ts'
import type { PodObject } from '../objects.ts'
import type { Findings } from '../problem.ts'
import type { ObjectRef } from '../source.ts'
import { Fields } from './fields.ts'

export function parsePod(
  object: Record<string, unknown>,
  { namespace, name }: ObjectRef,
  findings: Findings,
): PodObject {
  const root = new Fields(findings, '', object)
  const spec = root.record('spec')
  const status = root.record('status')
  return {
    namespace,
    name,
    labels: root.labels(),
    node: spec?.text('nodeName'),
    hostNetwork: spec?.flag('hostNetwork') ?? false,
    isReady: status !== undefined && isReady(status),
    isTerminating: root.record('metadata')?.has('deletionTimestamp') ?? false,
    addresses: status === undefined ? [] : addressesOf(status),
  }
}

function isReady(status: Fields): boolean {
  const said = status.records('conditions', (one) => (one.text('type') === 'Ready' ? one.text('status') : undefined))
  return said.includes('True')
}

/** `podIPs` has all of them, `podIP` is the first. */
function addressesOf(status: Fields): readonly Prefix[] {
  const read = (fields: Fields, field: string) => {
    const text = fields.text(field)
    if (text === undefined || text === '') return undefined
    return hostPrefix(text) ?? fields.findings.wrong(fields.at(field), text, 'is not an IP address')
  }
  const first = read(status, 'podIP')
  const all = [...(first === undefined ? [] : [first]), ...status.records('podIPs', (one) => read(one, 'ip'))]
  return [...new Map(all.map((prefix) => [prefix.text, prefix])).values()]
}
