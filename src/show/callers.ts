/** `show callers`: hosts whose connections were refused, and why. */
import { counted } from '../base/counted.ts'
import { CODE, type Row } from './reply.ts'
import { formatTime } from './time.ts'
import type { CallersView, View } from './view.ts'

const HEAD = ['Address', 'Calls', 'Last', 'Why'] as const

export function* callerRows(view: View): Iterable<Row> {
  const callers = view.callers()
  const { recent } = callers
  const row = (cells: readonly string[]): string =>
    `${(cells[0] ?? '').padEnd(40)} ${(cells[1] ?? '').padStart(8)}  ${(cells[2] ?? '').padEnd(14)} ${cells[3] ?? ''}`
  if (recent.length > 0) yield { code: CODE.interfaceSummary, text: row(HEAD) }
  for (const { address, calls, last, reason } of recent) {
    yield {
      code: CODE.interfaceSummary,
      text: row([
        address,
        String(calls),
        formatTime(view.epoch + last, view.epoch + view.now, { length: 'short', digits: 0 }),
        reason,
      ]),
    }
  }
  yield { code: CODE.ok, text: summary(callers) }
}

const summary = ({ refused, dropped, isFiltering }: CallersView): string => {
  const calls = counted(refused, 'connection was refused', 'connections were refused')
  if (dropped === 0 && !isFiltering) return calls
  const packets = `dropped in floods: ${counted(dropped, 'packet', 'packets')} from addresses that are not neighbors`
  return `${calls}; ${packets}${isFiltering ? ', and more now' : ''}`
}
