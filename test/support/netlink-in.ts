/** Netlink sockets in another network namespace: a thread of ours goes there, opens one, and comes back. Root only. */
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'
import { type OpenNetlink, openNetlink } from '../../src/edge/kernel/netlink-socket.ts'
import type { Namespace } from './namespace.ts'

const CLONE_NEWNET = 0x40000000
const setns = koffi.load(null).func('setns', 'int', ['int', 'int'])

export const netlinkIn =
  (namespace: Namespace): OpenNetlink =>
  (options) =>
    inside(namespace.name, () => openNetlink(options))

function inside<Value>(name: string, make: () => Value): Value {
  const [home, there] = [openSync('/proc/thread-self/ns/net', 'r'), openSync(`/var/run/netns/${name}`, 'r')]
  try {
    if (setns(there, CLONE_NEWNET) < 0) throw new Error(`cannot enter ${name}`)
    return make()
  } finally {
    if (setns(home, CLONE_NEWNET) < 0) process.exit(1)
    closeSync(home)
    closeSync(there)
  }
}
