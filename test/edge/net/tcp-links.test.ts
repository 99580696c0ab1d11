/** One link-local address on two links, each with its own key: a listener for each of them. Root only. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { until } from '../../support/loopback.ts'
import { isRoot, Namespace } from '../../support/namespace.ts'
import type { Order } from '../../support/tcp-host.ts'

const HOST = fileURLToPath(new URL('../../support/tcp-host.ts', import.meta.url))
const PORT = 179
const HUB = 'fe80::1'
const LEAF = 'fe80::2'

class Host {
  readonly inputs: { readonly kind: string; readonly [field: string]: unknown }[] = []
  readonly #child: ChildProcess
  #conn = 0

  constructor({ enter }: Namespace) {
    const [program = '', ...words] = [...enter, process.execPath, HOST]
    this.#child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    if (this.#child.stdout === null) throw new Error('no way to hear the host')
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.inputs.push(JSON.parse(line)))
  }

  order(order: Order): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`)
  }

  dial(address: string, by?: { readonly localAddress: string; readonly interface: string }): void {
    this.#conn += 2
    const remote = { address, port: PORT }
    this.order({ effect: { kind: 'dial', conn: this.#conn, remote, localAddress: undefined, ...by } })
  }

  of(kind: string) {
    return this.inputs.filter((input) => input.kind === kind)
  }

  async end(): Promise<void> {
    this.#child.stdin?.end()
    await until('the host ended', () => this.#child.exitCode !== null)
  }
}

describe.skipIf(!isRoot)('one link-local address on two links', () => {
  let spaces: readonly [hub: Namespace, left: Namespace, right: Namespace]
  let hosts: readonly [hub: Host, left: Host, right: Host]

  beforeEach(async () => {
    spaces = [new Namespace('hub'), new Namespace('left'), new Namespace('right')]
    const [hub, left, right] = spaces
    for (const [name, leaf] of [
      ['e1', left],
      ['e2', right],
    ] as const) {
      hub.connect(name, leaf, 'e0')
      hub.address(name, `${HUB}/64`)
      leaf.address('e0', `${LEAF}/64`)
    }
    // Link-local addresses can be used when the carrier is there, and when no other has them (RFC 4862 §5.4).
    const isTentative = () => spaces.some((space) => space.ip('-6 addr show').includes('tentative'))
    for (let tries = 0; isTentative() && tries < 500; tries++) await sleep(20)
    hosts = [new Host(hub), new Host(left), new Host(right)]
  })
  afterEach(async () => {
    await Promise.all(hosts.map((host) => host.end()))
    for (const space of spaces) space.remove()
  })

  test('each has its own key, called and calling; the key of the other link lets nobody in', async () => {
    const [hub, left, right] = hosts
    hub.order({ neighbors: { [`${LEAF}%e1`]: 'salmon', [`${LEAF}%e2`]: 'trout' } })
    hub.order({ effect: { kind: 'listen', port: PORT, addresses: [] } })
    await until('three listeners', () => hub.of('listening').length === 3)
    expect(hub.of('listening').map(({ address }) => address ?? 'all')).toEqual(['all', '::%e1', '::%e2'])
    left.order({ neighbors: { [`${HUB}%e0`]: 'salmon' } })
    right.order({ neighbors: { [`${HUB}%e0`]: 'salmon' } })
    for (const host of [left, right]) host.dial(`${HUB}%e0`)
    await until('the left one', () => left.of('connected').length === 1)
    await until('the right one has the wrong key', () => right.of('dial-failed').length === 1)
    right.order({ neighbors: { [`${HUB}%e0`]: 'trout' } })
    right.dial(`${HUB}%e0`)
    await until('the right one', () => right.of('connected').length === 1)
    await until('both are accepted', () => hub.of('accepted').length === 2)
    expect(hub.of('accepted').map(({ remote }) => (remote as { address: string }).address)).toEqual([
      `${LEAF}%e1`,
      `${LEAF}%e2`,
    ])
    for (const host of [left, right]) host.order({ effect: { kind: 'listen', port: PORT, addresses: [] } })
    await until('they listen', () => [left, right].every((host) => host.of('listening').length === 1))
    hub.dial(`${LEAF}%e1`)
    hub.dial(`${LEAF}%e2`)
    await until('both are called', () => hub.of('connected').length === 2)
    // One key for both: one listener is enough again, and what stands goes on.
    hub.order({ neighbors: { [`${LEAF}%e1`]: 'salmon', [`${LEAF}%e2`]: 'salmon' } })
    await until('one listener', () => hub.of('listen-ended').length === 2)
    expect(hub.of('closed')).toEqual([])
  })

  test('a link that is taken away and is there again gets another listener, though no neighbor changes', async () => {
    const [hub, left] = hosts
    const [hubSpace, leftSpace] = spaces
    hub.order({ neighbors: { [`${LEAF}%e1`]: 'salmon', [`${LEAF}%e2`]: 'trout' } })
    hub.order({ effect: { kind: 'listen', port: PORT, addresses: [] } })
    await until('three listeners', () => hub.of('listening').length === 3)
    hubSpace.ip('link del e1')
    hubSpace.connect('e1', leftSpace, 'e0')
    hubSpace.address('e1', `${HUB}/64`)
    leftSpace.address('e0', `${LEAF}/64`)
    left.order({ neighbors: { [`${HUB}%e0`]: 'salmon' } })
    await until('a new one', () => hub.of('listening').filter(({ address }) => address === '::%e1').length === 2)
    left.dial(`${HUB}%e0`)
    await until('it is accepted', () => hub.of('accepted').length === 1)
  })

  test('a listener for all links that could not keep its keys is open again when it can', async () => {
    const [hub] = hosts
    const [space] = spaces
    space.run('sysctl -qw net.core.optmem_max=4096')
    const two = { [`${LEAF}%e1`]: 'salmon', [`${LEAF}%e2`]: 'trout' }
    hub.order({ neighbors: two })
    hub.order({ effect: { kind: 'listen', port: PORT, addresses: [] } })
    await until('three listeners', () => hub.of('listening').length === 3)
    // Of a third link: the listeners of the first two need none of their keys.
    const others = Array.from({ length: 60 }, (_, at) => [`fe80::${at + 16}%e3`, 'salmon'])
    hub.order({ neighbors: { ...two, ...Object.fromEntries(others) } })
    await until('no room', () => hub.of('listen-failed').some(({ address }) => address === undefined))
    expect(hub.of('listen-failed')[0]?.reason).toContain('net.core.optmem_max')
    hub.order({ neighbors: two })
    const open = (address: string | undefined) => hub.of('listening').filter((one) => one.address === address)
    await until('all again', () => open(undefined).length === 2)
    await until('links again', () => open('::%e1').length === 2 && open('::%e2').length === 2)
  })
})

describe.skipIf(!isRoot)('where the kernel has little room for keys and filters', () => {
  test('neighbors by the hundred with one key, of both families, are listened for', async () => {
    const hub = new Namespace('hub')
    hub.run('sysctl -qw net.core.optmem_max=20480')
    const host = new Host(hub)
    try {
      const addresses = Array.from({ length: 200 }, (_, at) => [`10.9.${at}.7`, `fd00:${at}::7`]).flat()
      host.order({ neighbors: Object.fromEntries(addresses.map((address) => [address, 'salmon'])) })
      host.order({ effect: { kind: 'listen', port: PORT, addresses: [] } })
      await until('an answer', () => host.of('listening').length + host.of('listen-failed').length > 0)
      expect(host.of('listen-failed')).toEqual([])
    } finally {
      await host.end()
      hub.remove()
    }
  })

  test('neighbors by the hundred are served on in a flood, which is reported', async () => {
    const spaces = [new Namespace('hub'), new Namespace('left')] as const
    const [hub, left] = spaces
    hub.connect('e1', left, 'e0')
    hub.address('e1', '10.5.0.1/24')
    left.address('e0', '10.5.0.9/24')
    // The default before Linux 6.7.
    hub.run('sysctl -qw net.core.optmem_max=20480')
    const hosts = [new Host(hub), new Host(left)] as const
    const [called, caller] = hosts
    try {
      const neighbors = Array.from({ length: 120 }, (_, at) => [`fd00:${at}::${(at * 37) % 256}`, 'salmon'])
      called.order({ neighbors: Object.fromEntries(neighbors) })
      called.order({ effect: { kind: 'listen', port: PORT, addresses: [] } })
      await until('it listens', () => called.of('listening').length === 1)
      for (let call = 0; call < 150; call++) caller.dial('10.5.0.1')
      await until('the flood', () => called.of('callers-filtered').length > 0)
      called.order({ neighbors: { '10.5.0.9': 'trout' } })
      caller.order({ neighbors: { '10.5.0.1': 'trout' } })
      const before = caller.of('connected').length
      caller.dial('10.5.0.1')
      await until('a neighbor', () => caller.of('connected').length > before)
    } finally {
      await Promise.all(hosts.map((host) => host.end()))
      for (const space of spaces) space.remove()
    }
  })
})

describe.skipIf(!isRoot)('one network on two links', () => {
  test('a dial that names the link takes that one, and one that is not there fails', async () => {
    const spaces = [new Namespace('hub'), new Namespace('left'), new Namespace('right')] as const
    const [hub, left, right] = spaces
    for (const [name, own, leaf] of [
      ['e1', '10.5.0.1', left],
      ['e2', '10.5.0.2', right],
    ] as const) {
      hub.connect(name, leaf, 'e0')
      hub.address(name, `${own}/24`)
      leaf.address('e0', '10.5.0.9/24')
    }
    const hosts = [new Host(hub), new Host(left), new Host(right)] as const
    const [caller, ...called] = hosts
    try {
      for (const host of called) {
        host.order({ neighbors: {} })
        host.order({ effect: { kind: 'listen', port: PORT, addresses: [] } })
        await until('it listens', () => host.of('listening').length === 1)
      }
      caller.dial('10.5.0.9', { localAddress: '10.5.0.2', interface: 'e2' })
      await until('the right one', () => called[1].of('accepted').length === 1)
      expect(called[0].of('accepted')).toEqual([])
      caller.dial('10.5.0.9', { localAddress: '10.5.0.1', interface: 'e1' })
      await until('the left one', () => called[0].of('accepted').length === 1)
      expect(called[1].of('accepted')).toHaveLength(1)
      caller.dial('10.5.0.9', { localAddress: '10.5.0.1', interface: 'e7' })
      await until('there is no such link', () => caller.of('dial-failed').length === 1)
      expect(caller.of('dial-failed')[0]?.reason).toContain('No such device')
    } finally {
      await Promise.all(hosts.map((host) => host.end()))
      for (const space of spaces) space.remove()
    }
  })
})
