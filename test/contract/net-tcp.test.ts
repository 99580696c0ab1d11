/** TCP on loopback passes the rows of every network. */
import { Tcp } from '../../src/edge/net/tcp.ts'
import { freePort, until } from '../support/loopback.ts'
import { describeNetwork } from './net.ts'

describeNetwork('TCP', () => ({
  host: (feed) => ({ network: new Tcp({ feed, linger: 500 }), ipv4: '127.0.0.1', ipv6: '::1' }),
  freePort,
  until,
}))
