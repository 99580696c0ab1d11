/**
 * A host whose process can be left without descriptors: `prlimit` sets few of them before it starts. Prints every input as a
 * line of JSON; on stdin `fill` takes all that are left, `free` gives them back, `dial PORT` calls.
 */
import { closeSync, openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Tcp } from '../../src/edge/net/tcp.ts'
import { openHttp } from '../../src/edge/operate/http.ts'
import type { Input } from '../../src/engine/input.ts'

if (import.meta.main) {
  /** Who calls from here is a neighbor. */
  const FRIEND = '127.0.0.2'
  let filled: number[] = []
  const tell = (line: object): void => console.log(JSON.stringify(line))
  const feed = (input: Input): void => {
    tell(input)
    if (input.kind !== 'accepted') return
    const { conn, remote } = input
    if (remote.address === FRIEND) tcp.perform({ kind: 'send', conn, bytes: Uint8Array.of(1) })
    else tcp.perform({ kind: 'refuse', conn })
  }
  const tcp = new Tcp({ feed })
  const http = await openHttp({
    host: '127.0.0.1',
    port: 0,
    metrics: { contentType: 'text/plain', scrape: async () => [''] },
    whyNotLive: () => undefined,
    whyNotReady: () => undefined,
  })
  tell({ kind: 'http', port: http.port })
  tcp.perform({ kind: 'listen', port: Number(process.argv[2]), addresses: ['127.0.0.1'] })
  let conn = 0
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      const [word, port] = line.split(' ')
      if (word === 'free') {
        for (const fd of filled) closeSync(fd)
        filled = []
      } else if (word === 'fill') {
        try {
          for (;;) filled.push(openSync('/dev/null', 'r'))
        } catch {
          tell({ kind: 'filled' })
        }
      } else {
        conn += 2
        tcp.perform({
          kind: 'dial',
          conn,
          remote: { address: '127.0.0.1', port: Number(port) },
          localAddress: undefined,
        })
      }
    })
    .on('close', () => process.exit(0))
}
