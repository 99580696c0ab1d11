/** Where the kernel says no, since the agent lacks NET_ADMIN. Root only, to have rights to give away. */
import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Nft } from '../../src/edge/kernel/nft.ts'
import type { Input } from '../../src/engine/input.ts'
import { until } from '../support/loopback.ts'
import { hasNft, Namespace } from '../support/namespace.ts'

const canDrop = hasNft && spawnSync('setpriv', ['--version']).status === 0
const WITHOUT = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin']

describe.skipIf(!canDrop)(`the kernel says no${canDrop ? '' : ' (needs root, nft and setpriv)'}`, () => {
  let host: Namespace
  let inputs: Input[] = []
  const feed = (input: Input) => inputs.push(input)
  const failed = (what: 'routes' | 'nft') => {
    const input = inputs.find((one) => one.kind === 'applied' && one.what === what)
    return input?.kind === 'applied' ? input.failed : undefined
  }

  beforeEach(() => {
    host = new Namespace('no')
    inputs = []
  })
  afterEach(() => host.remove())

  test('to routes without NET_ADMIN: each is named, and what is there is read all the same', () => {
    host.ip('route add blackhole 192.0.2.0/24 proto 4')
    const script = fileURLToPath(new URL('../support/routes-without-rights.ts', import.meta.url))
    const [program = '', ...words] = [...host.enter, ...WITHOUT, process.execPath, script]
    const told = JSON.parse(execFileSync(program, words, { encoding: 'utf8' }))
    const reason = 'Operation not permitted'
    expect(told).toEqual({
      failed: [
        { index: 0, reason },
        { index: 1, reason },
      ],
      found: expect.arrayContaining(['192.0.2.0/24']),
    })
  })

  test('to NAT without NET_ADMIN', async () => {
    const nft = new Nft({ feed, enter: [...host.enter, ...WITHOUT] })
    nft.open()
    await until('error', () => inputs.some(({ kind }) => kind === 'kernel-error'))
    nft.perform({ kind: 'nft', seq: 1, change: { kind: 'table', body: '' } })
    await until('applied', () => failed('nft') !== undefined)
    await nft.stop()
    expect(failed('nft')).toMatchObject([{ reason: expect.stringMatching(/Operation not permitted/) }])
    expect(inputs).toContainEqual({
      kind: 'kernel-error',
      what: 'nft',
      text: expect.stringMatching(/^our nftables rules cannot be read: .*Operation not permitted/),
    })
  })
})
