/** `show interfaces`, in BIRD's layout. */

import { addressScope } from './gateway.ts'
import { CODE, type Row } from './reply.ts'
import type { InterfaceView, LinkView } from './view.ts'

export function interfaceRows(summary: boolean, interfaces: readonly InterfaceView[]): Iterable<Row> {
  return summary ? summaryRows(interfaces) : fullRows(interfaces)
}

function* fullRows(interfaces: readonly InterfaceView[]): Iterable<Row> {
  for (const { name, up, addresses, link } of interfaces) {
    const state = `${name} ${up ? 'up' : 'down'}`
    yield { code: CODE.interfaceRow, text: link === undefined ? state : `${state} (index=${link.index})` }
    const flags = link === undefined ? (up ? 'AdminUp LinkUp' : 'AdminDown LinkDown') : flagText(link)
    yield { code: CODE.interfaceFlags, text: `\t${flags}` }
    for (const address of addresses) {
      const scope = addressScope(address.split('/')[0] ?? address)
      yield { code: CODE.interfaceAddress, text: `\t${address} (Preferred, scope ${scope})` }
    }
  }
  yield { code: CODE.ok, text: '' }
}

/** BIRD's words for the flags of netdevice(7). */
const FLAGS: readonly (readonly [flag: number, set: string, unset: string])[] = [
  [0x10, 'PtP', 'MultiAccess'],
  [0x2, 'Broadcast', ''],
  [0x1000, 'Multicast', ''],
  [0x1, 'AdminUp', 'AdminDown'],
  [0x40, 'LinkUp', 'LinkDown'],
  [0x8, 'Loopback', ''],
]

function flagText({ flags, mtu }: LinkView): string {
  const flagTexts = FLAGS.map(([flag, set, unset]) => ((flags & flag) !== 0 ? set : unset)).filter(
    (word) => word !== '',
  )
  return [...flagTexts, `MTU=${mtu}`].join(' ')
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
