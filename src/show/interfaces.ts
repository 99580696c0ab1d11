/** `show interfaces`. */

import { scopeOf } from './gateway.ts'
import { CODE, type Row } from './reply.ts'
import type { InterfaceView } from './view.ts'

export function interfaceRows(summary: boolean, interfaces: readonly InterfaceView[]): Iterable<Row> {
  return summary ? summaryRows(interfaces) : fullRows(interfaces)
}

function* fullRows(interfaces: readonly InterfaceView[]): Iterable<Row> {
  for (const { name, up, addresses } of interfaces) {
    yield { code: CODE.interfaceRow, text: `${name} ${up ? 'up' : 'down'}` }
    yield { code: CODE.interfaceFlags, text: up ? '\tAdminUp LinkUp' : '\tAdminDown LinkDown' }
    for (const address of addresses) {
      const scope = scopeOf(address.split('/')[0] ?? address)
      yield { code: CODE.interfaceAddress, text: `\t${address} (Preferred, scope ${scope})` }
    }
  }
  yield { code: CODE.ok, text: '' }
}

function* summaryRows(interfaces: readonly InterfaceView[]): Iterable<Row> {
  yield { code: CODE.interfaceHeading, text: columns('Interface', 'State', 'IPv4 address', 'IPv6 address') }
  for (const { name, up, addresses } of interfaces) {
    const v4 = addresses.find((address) => !address.includes(':')) ?? ''
    const v6 = addresses.find((address) => address.includes(':')) ?? ''
    yield { code: CODE.interfaceSummary, text: columns(name, up ? 'up' : 'down', v4, v6) }
  }
  yield { code: CODE.ok, text: '' }
}

const columns = (name: string, state: string, v4: string, v6: string): string =>
  `${name.padEnd(10)} ${state.padEnd(6)} ${v4.padEnd(18)} ${v6}`
