/** A table that is ours alone, on the real kernel. Root, and an nft that knows `persist` (1.1); namespaces of their own. */
import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Nft } from '../../../src/edge/kernel/nft.ts'
import { NftOwner } from '../../../src/edge/kernel/nft-owner.ts'
import type { Input } from '../../../src/engine/input.ts'
import { until } from '../../support/loopback.ts'
import { hasNft, Namespace } from '../../support/namespace.ts'
import { netlinkIn } from '../../support/netlink-in.ts'

const TRY = 'table inet godwit_try { flags owner, persist; }\n'
const isKnown = hasNft && spawnSync('nft', ['-c', '-f', '-'], { input: TRY }).status === 0

const BODY = `  set services4 {
    typeof ip daddr; flags interval
    elements = { 10.96.0.0/16, ${Array.from({ length: 10_000 }, (_, n) => `10.97.${n >> 8}.${n & 255}`).join(', ')} }
  }
  chain forward {
    type filter hook forward priority filter + 10; policy accept;
    ip daddr @services4 counter drop comment "service loops ipv4 1.0"
  }
`

describe.skipIf(!isKnown)('a table that we hold (needs root and nft 1.1)', () => {
  let host: Namespace
  let inputs: Input[]
  let nft: Nft
  let seq = 0

  const begin = () => {
    nft = new Nft({ feed: (input) => inputs.push(input), enter: host.enter, openSocket: netlinkIn(host) })
    nft.open()
  }
  const perform = async (body: string | undefined) => {
    const number = ++seq
    nft.perform({ kind: 'nft', seq: number, change: { kind: 'table', body } })
    const answer = () => inputs.find((input) => input.kind === 'applied' && input.seq === number)
    await until('applied', () => answer() !== undefined, 10_000)
    return answer()
  }
  const flags = () => /flags (.*)$/m.exec(host.run('nft list table inet godwit'))?.[1]

  beforeEach(() => {
    host = new Namespace('held')
    inputs = []
    begin()
  })
  afterEach(async () => {
    await nft.stop()
    host.remove()
  })

  test('outlives what others flush; nobody else changes it; it stays when we end, and is ours again', async () => {
    expect(await perform(BODY)).toMatchObject({ failed: [] })
    host.run('nft add table inet others')
    host.run('nft flush ruleset')
    expect(host.run('nft list tables').trim()).toBe('table inet godwit')
    expect(() => host.run('nft delete table inet godwit')).toThrow('Operation not permitted')
    await nft.stop()
    expect(host.run('nft list table inet godwit')).toContain('10.97.39.15')
    expect(flags()).toBe('persist')
    inputs = []
    begin()
    await until('adopted', () => flags() === 'owner,persist')
    host.run('nft flush ruleset')
    expect(await perform(undefined)).toMatchObject({ failed: [] })
    expect(host.run('nft list tables')).toBe('')
  })

  test('one that was made without is made ours when it is written anew', async () => {
    host.run('nft add table inet godwit')
    host.run('nft add chain inet godwit x')
    expect(await perform(BODY)).toMatchObject({ failed: [] })
    expect(flags()).toBe('owner,persist')
  })

  test('says why a script is refused, and goes on', async () => {
    expect(await perform('  chain x { nonsense }\n')).toMatchObject({
      failed: [{ reason: expect.stringContaining('syntax error') }],
    })
    expect(await perform(BODY)).toMatchObject({ failed: [] })
  })

  test('a holder that somebody kills is another one, which takes the table over', async () => {
    let lost = 0
    const holder = new NftOwner({ enter: host.enter, lost: () => lost++ })
    const script = `table inet godwit { flags owner, persist; }\n`
    expect(await holder.run(script)).toBeUndefined()
    process.kill(holder.pid ?? 0, 'SIGKILL')
    await until('its end', () => lost === 1)
    expect(flags()).toBe('persist')
    expect(await holder.run(script)).toBeUndefined()
    expect(flags()).toBe('owner,persist')
    holder.stop()
  })
})
