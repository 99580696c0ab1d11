/** `show nat`: which packets leave with another source address, by the pool that asks for it. */
import { CODE, type Row } from './reply.ts'
import type { NatView } from './view.ts'

export function* natRows(nat: NatView | undefined): Iterable<Row> {
  if (nat === undefined) {
    yield { code: CODE.notSupported, text: 'Not supported: this agent writes nothing into the kernel' }
    return
  }
  yield { code: CODE.natHeading, text: columns('Pool', 'Packets', 'Bytes', 'Rule') }
  for (const { pool, rule, packets, bytes } of nat.rules) {
    yield { code: CODE.nat, text: columns(pool, String(packets ?? '-'), String(bytes ?? '-'), rule) }
  }
  yield { code: CODE.nat, text: stateOf(nat) }
  yield { code: CODE.ok, text: '' }
}

function stateOf({ active, trouble, rules }: NatView): string {
  if (trouble !== undefined) return `Trouble: ${trouble}`
  if (rules.length === 0) return 'No pool asks for NAT'
  return active ? 'The kernel has these rules' : 'The kernel does not have these rules yet'
}

const columns = (pool: string, packets: string, bytes: string, rule: string): string =>
  `${pool.padEnd(20)} ${packets.padStart(10)} ${bytes.padStart(14)}  ${rule}`
