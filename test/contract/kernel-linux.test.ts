/** The real kernel, in namespaces of its own. Root only. */
import { describe, test } from 'vitest'
import { MAIN_TABLE } from '../../src/dataplane/kernel.ts'
import { Rtnetlink } from '../../src/edge/kernel/rtnetlink.ts'
import { isRoot, Namespace } from '../support/namespace.ts'
import { netlinkIn } from '../support/netlink-in.ts'
import { describeKernel } from './kernel.ts'

if (!isRoot) {
  describe('the kernel of this machine', () => {
    test.skip('needs root and iproute2', () => {})
  })
} else {
  describe.each([MAIN_TABLE, 1000])('table %i', describeTable)
}

function describeTable(table: number): void {
  describeKernel(
    'the kernel of this machine',
    (feed) => {
      const [host, other] = [new Namespace('host'), new Namespace('other')]
      host.connect('e0', other, 'f0')
      host.connect('e1', other, 'f1')
      host.address('e0', '10.0.0.2/24', 'fd00::2/64')
      host.address('e1', '10.1.0.2/24', 'fd01::2/64')
      const follow = (to: typeof feed) => {
        const routes = new Rtnetlink({ feed: to, openSocket: netlinkIn(host), table })
        void routes.open()
        return routes
      }
      const routes = follow(feed)
      const flag = (prefix: string) => (prefix.includes(':') ? '-6' : '-4')
      return {
        perform: (effect) => routes.perform(effect),
        addForeign: (prefix, gateway, protocol, metric) => {
          host.ip(
            `${flag(prefix)} route add ${prefix} via ${gateway} proto ${protocol} metric ${metric} table ${table}`,
          )
        },
        addForeignByObject: (prefix, gateway, protocol, metric) => {
          host.ip(`${flag(prefix)} nexthop add id 7 via ${gateway} dev e0`)
          host.ip(`${flag(prefix)} route add ${prefix} nhid 7 proto ${protocol} metric ${metric} table ${table}`)
        },
        remove: (prefix, protocol) => host.ip(`${flag(prefix)} route del ${prefix} proto ${protocol} table ${table}`),
        addAddress: (name, address) => host.address(name, address),
        removeAddress: (name, address) => host.ip(`addr del ${address} dev ${name}`),
        setCarrier: (name, up) => other.ip(`link set ${name.replace('e', 'f')} ${up ? 'up' : 'down'}`),
        again: (to) => {
          const second = follow(to)
          return { close: () => second.stop() }
        },
        close: async () => {
          await routes.stop()
          host.remove()
          other.remove()
        },
      }
    },
    table,
  )
}
