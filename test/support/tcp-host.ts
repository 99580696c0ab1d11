/**
 * A host with our TCP, run inside a network namespace: one line of JSON in for the neighbors it has, with their keys, and for
 * each effect; one out for each input (test/edge/net/tcp-links.test.ts).
 */
import { createInterface } from 'node:readline'
import { hostPrefix, type Prefix } from '../../src/base/prefix.ts'
import { Keys } from '../../src/edge/keys.ts'
import type { NetworkEffect } from '../../src/edge/net/network.ts'
import { Tcp } from '../../src/edge/net/tcp.ts'
import type { Protection } from '../../src/engine/effect.ts'
import type { Input } from '../../src/engine/input.ts'

export interface Order {
  /** Addresses with zones, and the key of each. */
  readonly neighbors?: Readonly<Record<string, string>>
  readonly effect?: NetworkEffect
}

const keys = new Keys()
const say = (input: Input): void => {
  const bytes = input.kind === 'received' ? { text: Buffer.from(input.bytes).toString() } : {}
  process.stdout.write(`${JSON.stringify({ ...input, ...bytes })}\n`)
}
const tcp = new Tcp({ feed: say, keys, linger: 100, dialTimeout: 2_000, listenRetry: 50 })

function protect(neighbors: Readonly<Record<string, string>>): void {
  const ref = { kind: 'Secret', namespace: 'godwit', name: 'bgp' } as const
  const stringData = Object.fromEntries(Object.values(neighbors).map((key) => [key, key]))
  const object = { apiVersion: 'v1', kind: 'Secret', metadata: ref, stringData }
  keys.redact({ kind: 'objects', changes: [{ kind: 'upsert', ref, object, from: undefined }] })
  const all = Object.entries(neighbors).map(([address, key]): Protection => {
    const [bare = '', zone] = address.split('%')
    return {
      prefix: hostPrefix(bare) as Prefix,
      zone,
      signing: { kind: 'md5', key: { secret: 'bgp', key, version: 1 } },
      minTtl: undefined,
    }
  })
  tcp.perform({ kind: 'protect', neighbors: all })
}

if (import.meta.main) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { neighbors, effect } = JSON.parse(line) as Order
    if (neighbors !== undefined) protect(neighbors)
    if (effect !== undefined) tcp.perform(effect)
  }
  process.exit(0)
}
