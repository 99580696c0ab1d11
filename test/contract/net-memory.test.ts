/** The network in memory passes the rows of every network. */
import { MemoryNet } from '../support/memory-net.ts'
import { describeNetwork } from './net.ts'

describeNetwork('in memory', () => {
  const net = new MemoryNet()
  let hosts = 0
  return {
    host: (feed) => {
      hosts++
      const [ipv4, ipv6] = [`192.0.2.${hosts}`, `2001:db8::${hosts}`]
      return { network: net.host([ipv4, ipv6], feed), ipv4, ipv6 }
    },
    freePort: async () => 179,
    until: async (what, holds) => {
      // Promises of the network settle between two steps.
      for (let idle = 0; !holds(); idle = net.step() ? 0 : idle + 1) {
        if (idle > 10) throw new Error(`never: ${what}`)
        await Promise.resolve()
      }
    },
  }
})
