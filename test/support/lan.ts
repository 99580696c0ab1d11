/** Agents of one cluster, each with a kernel in memory, whose nodes are on one link: who writes which route. */
import type { ObjectChange } from '../../src/cluster/source.ts'
import type { EngineOptions } from '../../src/engine/engine.ts'
import { FakeKernel } from './fake-kernel.ts'
import { type ApiObject, bgpConfiguration, node, upsert } from './objects.ts'
import { type Host, World } from './world.ts'

export interface LanOptions {
  readonly nodes: number
  /** So many of them have an agent; all unless said. */
  readonly agents?: number
  readonly configuration: object
  /** Addresses of a node other than those of the link that all are on. */
  readonly addresses?: (number: number) => readonly [string, string] | undefined
  readonly more?: Pick<EngineOptions, 'table' | 'adopt' | 'calico'>
}

const address4 = (number: number) => `10.0.${number >> 8}.${number & 255}`
const address6 = (number: number) => `fd00:10::${number.toString(16)}`
export const pods4 = (number: number) => `10.${128 + (number >> 8)}.${number & 255}.0/24`
export const pods6 = (number: number) => `fd00:244:${number.toString(16)}::/64`

export class Lan {
  readonly world: World
  readonly kernels = new Map<string, FakeKernel>()
  readonly objects: readonly ApiObject[]
  readonly #options: LanOptions
  #configuration: ApiObject

  constructor(options: LanOptions) {
    this.#options = options
    this.#configuration = bgpConfiguration(options.configuration)
    this.world = new World({
      forgetLines: options.nodes > 50,
      watch: (host, _, effects) => {
        for (const effect of effects) {
          if (effect.kind === 'routes' || effect.kind === 'nft') this.kernel(host.name).perform(effect)
        }
      },
    })
    this.objects = this.numbers().map((number) => this.node(number))
    for (const number of this.numbers().slice(0, options.agents)) this.start(number)
  }

  /** From 1 on. */
  numbers(): number[] {
    return Array.from({ length: this.#options.nodes }, (_, index) => index + 1)
  }

  addresses(number: number): readonly [string, string] {
    return this.#options.addresses?.(number) ?? [address4(number), address6(number)]
  }

  node(number: number, more: { addresses?: readonly string[]; podCIDRs?: readonly string[] } = {}): ApiObject {
    return node(`n${number}`, {
      addresses: this.addresses(number),
      podCIDRs: [pods4(number), pods6(number)],
      ...more,
    })
  }

  kernel(name: string | number): FakeKernel {
    const found = this.kernels.get(typeof name === 'number' ? `n${name}` : name)
    if (found === undefined) throw new Error(`no kernel of ${name}`)
    return found
  }

  host(number: number): Host {
    const found = this.world.hosts.get(`n${number}`)
    if (found === undefined) throw new Error(`no host n${number}`)
    return found
  }

  /** The agent starts, over the kernel that is there. */
  start(number: number, changes: readonly ObjectChange[] = []): void {
    const name = `n${number}`
    const addresses = this.addresses(number)
    const kernel = this.kernels.get(name) ?? this.#newKernel(name, addresses)
    this.kernels.set(name, kernel)
    const objects = [...this.objects, this.#configuration].map((object) => upsert(object))
    this.world.add(name, addresses, [...objects, ...changes], { dataplane: 'linux', ...this.#options.more })
    kernel.open()
  }

  #newKernel(name: string, addresses: readonly string[]): FakeKernel {
    const kernel = new FakeKernel({
      feed: (input) => {
        const host = this.world.hosts.get(name)
        if (host?.alive === true) this.world.feed(host, input)
      },
      later: (work) => this.world.at(this.world.now + 1, work),
    })
    kernel.addLink('eth0', ...addresses.map((address) => `${address}/${address.includes(':') ? 64 : 16}`))
    return kernel
  }

  /** Everybody is told, one after the other: watches are never at the same place. */
  tell(changes: readonly ObjectChange[], apart = 0): void {
    for (const [index, host] of [...this.world.hosts.values()].entries()) {
      this.world.at(this.world.now + index * apart, () => this.world.change(host, changes))
    }
    this.world.pass(this.world.hosts.size * apart)
  }

  configure(configuration: object, apart = 0): void {
    this.#configuration = bgpConfiguration(configuration)
    this.tell([upsert(this.#configuration)], apart)
  }

  /** Prefixes to pods of other nodes in a kernel, each with who wrote it. */
  owners(number: number): Map<string, string[]> {
    const found = new Map<string, string[]>()
    for (const line of this.kernel(number).list()) {
      const [, prefix = '', protocol = ''] = /^(\S+) via .* proto (\d+) /.exec(line) ?? []
      if (prefix !== '') found.set(prefix, [...(found.get(prefix) ?? []), protocol])
    }
    return found
  }

  /** Prefixes to pods of other nodes, in one kernel, that do not have exactly one owner. */
  wrong(number: number, owner = '171'): string[] {
    const owners = this.owners(number)
    const others = this.numbers().filter((other) => other !== number)
    const wanted = others.flatMap((other) => [pods4(other), pods6(other)])
    const bad = wanted.filter((prefix) => owners.get(prefix)?.join() !== owner)
    return [...bad, ...[...owners.keys()].filter((prefix) => !wanted.includes(prefix))]
  }

  /** An answer that takes more than a turn. */
  ask(number: number, line: string): string {
    const host = this.host(number)
    const client = this.world.look(host, true)
    const socket = host.clients.get(client)
    while (this.world.take(host, client));
    const before = socket?.text.length ?? 0
    this.world.feed(host, { kind: 'command', client, line })
    for (
      let turns = 0;
      turns < 1_000 && (this.world.take(host, client) || host.engine.deadline() === this.world.now);
      turns++
    )
      this.world.feed(host, { kind: 'polled', until: this.world.now, unread: [] })
    this.world.leave(host, client)
    return (socket?.text ?? '').slice(before)
  }

  askJson<T>(number: number, line: string): T {
    return JSON.parse(this.ask(number, `json ${line}`).replace(/^(?:\d{4}[- ]| )/gm, '')) as T
  }

  problems(number: number): string[] {
    return this.world
      .ask(this.host(number), 'configure check')
      .split('\n')
      .filter((line) => line !== '')
  }
}
