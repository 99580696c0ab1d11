/** The raw socket, on a cable between two namespaces. Root only. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { encodeAdvertisement } from '../../src/ndp/packet.ts'
import { isRoot, Namespace } from '../support/namespace.ts'
import type { Answer, Order } from '../support/ndp-host.ts'
import { describeNdpSocket, type NdpHost, type NdpScene, type Packet, packetOf } from './ndp.ts'

const HOST = fileURLToPath(new URL('../support/ndp-host.ts', import.meta.url))

class LinuxHost implements NdpHost {
  address = ''
  index = 0
  readonly heard: Packet[] = []
  readonly #child: ChildProcess
  readonly #waiting: ((error: string | undefined) => void)[] = []

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start({ enter }: Namespace): Promise<LinuxHost> {
    const [program = '', ...words] = [...enter, process.execPath, HOST]
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    const host = new LinuxHost(child)
    if (child.stdout === null) throw new Error('no way to hear the host')
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error('the host has ended')))
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
        const answer = JSON.parse(line) as Answer
        if (answer.kind === 'heard') {
          host.heard.push(packetOf(Uint8Array.from(Buffer.from(answer.hex, 'hex')), answer.from, answer.index))
        } else if (answer.kind === 'done') host.#waiting.shift()?.(answer.error ?? undefined)
        else {
          Object.assign(host, { address: answer.address, index: answer.index })
          resolve()
        }
      })
    })
    return host
  }

  order(order: Order): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      this.#child.stdin?.write(`${JSON.stringify(order)}\n`)
    })
  }

  join(index: number) {
    return this.order({ do: 'join', index })
  }

  send(bytes: Uint8Array, to: string, index: number) {
    return this.order({ do: 'send', hex: Buffer.from(bytes).toString('hex'), to, index })
  }

  async close() {
    await this.order({ do: 'close' })
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.stdin?.end()
    await ended
  }
}

async function open(): Promise<NdpScene & { readonly one: LinuxHost; readonly two: LinuxHost }> {
  const spaces = [new Namespace('one'), new Namespace('two')] as const
  spaces[0].connect('e0', spaces[1], 'e0')
  for (const space of spaces) {
    // Its link-local address comes with the carrier of the other end.
    for (let tries = 0; !space.ip('-6 addr show dev e0').includes('fe80:') && tries < 100; tries++) await sleep(20)
  }
  const [one, two] = [await LinuxHost.start(spaces[0]), await LinuxHost.start(spaces[1])]
  return {
    one,
    two,
    settle: () => sleep(150),
    close: async () => {
      await Promise.all([one.end(), two.end()])
      for (const space of spaces) space.remove()
    },
  }
}

if (!isRoot) {
  describe('router discovery by a raw socket', () => {
    test.skip('needs root and iproute2', () => {})
  })
} else {
  describeNdpSocket('router discovery by a raw socket', open)

  test('[RFC 4861 §6.2.6] a solicitation of a host without an address comes with its link', async () => {
    const scene = await open()
    const { one, two } = scene
    await two.join(two.index)
    expect(await one.order({ do: 'ask-from-nowhere', index: one.index })).toBeUndefined()
    await scene.settle()
    expect(two.heard.map(({ from, index }) => ({ from, index }))).toEqual([{ from: '::', index: two.index }])
    await scene.close()
  })

  test('[RFC 4861 §6.1] what may come from beyond the link is not heard', async () => {
    const scene = await open()
    const { one, two } = scene
    const bytes = encodeAdvertisement(undefined)
    const hex = Buffer.from(bytes).toString('hex')
    expect(await one.order({ do: 'send-from-afar', hex, to: 'ff02::1', index: one.index })).toBeUndefined()
    await one.send(bytes, 'ff02::1', one.index)
    await scene.settle()
    expect(two.heard).toHaveLength(1)
    await scene.close()
  })
}
