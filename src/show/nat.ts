/**
 * `show nat`: which packets leave with another source address, by pool, and which are dropped or rejected here because
 * no service accepts them.
 */
import { CODE, type Row } from './reply.ts'
import type { NatView } from './view.ts'

export function* natRows(nat: NatView | undefined): Iterable<Row> {
  if (nat === undefined) {
    yield { code: CODE.notSupported, text: 'Not supported: this agent does not write to the kernel (--dataplane none)' }
    return
  }
  const { serviceLoops } = nat
  yield { code: CODE.natHeading, text: columns('Pool', 'Packets', 'Bytes', 'Rule') }
  for (const { pool, ...rule } of nat.rules) yield ruleRow(pool, rule)
  for (const rule of serviceLoops.rules) yield ruleRow('(service loops)', rule)
  if (serviceLoops.rules.length > 0) {
    const { prevention, services, spared } = serviceLoops
    yield { code: CODE.nat, text: `serviceLoopPrevention ${prevention}: ${services} prefixes, ${spared} spared inside` }
  }
  yield { code: CODE.nat, text: stateOf(nat) }
  yield { code: CODE.ok, text: '' }
}

type Rule = NatView['serviceLoops']['rules'][number]

const ruleRow = (what: string, { packets, bytes, rule }: Omit<Rule, 'family'>): Row => ({
  code: CODE.nat,
  text: columns(what, String(packets ?? '-'), String(bytes ?? '-'), rule),
})

function stateOf({ active, error, rules, serviceLoops }: NatView): string {
  if (error !== undefined) return `Error: ${error}`
  if (rules.length + serviceLoops.rules.length === 0) return 'No pool has natOutgoing, and no service loop is prevented'
  return active ? 'The kernel has these rules' : 'The kernel does not have these rules yet'
}

const columns = (pool: string, packets: string, bytes: string, rule: string): string =>
  `${pool.padEnd(20)} ${packets.padStart(10)} ${bytes.padStart(14)}  ${rule}`
