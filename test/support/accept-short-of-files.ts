/** Accepts a call from a link-local address with the last descriptor of the process, and prints who called (test/edge/libc.test.ts). */
import { closeSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { acceptFrom, listenAt, localEndpoint, openSocket } from '../../src/edge/libc.ts'
import { until } from './loopback.ts'

if (import.meta.main) {
  const host = process.argv[2] as string
  const listener = openSocket('ipv6')
  listenAt(listener, { address: '::', port: 0 }, 1)
  const caller = new Socket({ fd: openSocket('ipv6') }).connect({ host, port: localEndpoint(listener).port })
  await until('a call', () => !caller.connecting)
  const filled: number[] = []
  try {
    for (;;) filled.push(openSync('/dev/null', 'r'))
  } catch {
    closeSync(filled.pop() as number)
  }
  console.log(acceptFrom(listener)?.remote.address)
  process.exit(0)
}
