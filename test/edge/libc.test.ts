/** Calls of libc, on sockets of this machine. */
import { execFileSync } from 'node:child_process'
import { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import {
  acceptFrom,
  closeSocket,
  keepSyn,
  listenAt,
  localEndpoint,
  openSocket,
  setOption,
  ttlOfSyn,
} from '../../src/edge/libc.ts'
import { until } from '../support/loopback.ts'
import { isRoot, Namespace } from '../support/namespace.ts'

const ACCEPT = fileURLToPath(new URL('../support/accept-short-of-files.ts', import.meta.url))

const IPPROTO_IPV6 = 41
const IPV6_UNICAST_HOPS = 16
const IPV6_DSTOPTS = 59
/** RFC 4727 §7. */
const EXPERIMENTAL = 0x1e

test.skipIf(!isRoot)('a link-local caller has its link though the last descriptor was for it', () => {
  const [host, other] = [new Namespace('host'), new Namespace('other')]
  try {
    host.connect('e0', other, 'f0')
    host.address('e0', 'fe80::7/64')
    const limits = 'ulimit -n 64 && exec "$0" "$@"'
    const [program = '', ...enter] = host.enter
    const words = [...enter, 'sh', '-c', limits, process.execPath, ACCEPT, 'fe80::7%e0']
    expect(execFileSync(program, words, { encoding: 'utf8' }).trim()).toBe('fe80::7%e0')
  } finally {
    host.remove()
    other.remove()
  }
})

// Options of packets need NET_RAW.
describe.skipIf(!isRoot)('the TTL of a SYN', () => {
  const descriptors: number[] = []
  afterEach(() => {
    for (const fd of descriptors.splice(0)) closeSocket(fd)
  })

  test.each([8, 64, 256])('is known behind %i octets of IPv6 extension headers', async (octets) => {
    const listener = openSocket('ipv6')
    descriptors.push(listener)
    keepSyn(listener, true)
    listenAt(listener, { address: '::1', port: 0 }, 1)
    const fd = openSocket('ipv6')
    // A destination options header: its length in units of eight octets beyond the first, then one option, which is skipped.
    const options = new Uint8Array(octets)
    options.set([0, octets / 8 - 1, EXPERIMENTAL, octets - 4])
    setOption(fd, IPPROTO_IPV6, IPV6_DSTOPTS, options)
    setOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 77)
    const caller = new Socket({ fd }).connect({ host: '::1', port: localEndpoint(listener).port })
    let accepted: ReturnType<typeof acceptFrom>
    await until('a call', () => {
      accepted ??= acceptFrom(listener)
      return accepted !== undefined
    })
    descriptors.push(accepted?.fd as number)
    expect(ttlOfSyn(accepted?.fd as number)).toBe(77)
    caller.destroy()
  })
})
