// Our agent as a process in a host, and what it says of itself through its command line.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Route } from '../speakers/speaker.ts'
import type { Host } from './lab.ts'
import type { Manifests } from './manifests.ts'
import { type Daemon, must } from './run.ts'
import { eventually, Hopeless } from './wait.ts'

/** Our program, in words. */
export const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export interface AgentProtocol {
  readonly name: string
  readonly peer: string
  readonly state: string
  readonly lastError: string | null
  readonly timesEstablished: number
  readonly families: Readonly<
    Record<string, { readonly received: number; readonly accepted: number; readonly advertised: number }>
  >
  readonly messages: Readonly<Record<'received' | 'sent', Readonly<Record<string, number>>>>
}

export interface AgentRoute {
  readonly prefix: string
  readonly nextHop: string | null
  readonly from: string | null
  readonly best: boolean
  readonly reason: string | null
  readonly origin: string | null
  readonly asPath: readonly (number | readonly number[])[]
  readonly localPref: number | null
  readonly med: number | null
  readonly communities: readonly string[]
  readonly largeCommunities: readonly string[]
}

export interface AgentOptions {
  /** Write kernel routes and NAT rules. */
  readonly linux?: boolean
  /** Where learned routes are written; the main table unless said. */
  readonly table?: number
  /** Write a configuration for the reference CNI plugins into the host's folder. */
  readonly cni?: 'ptp' | 'bridge'
  /** Where the four kinds are read; our own group unless said. */
  readonly apiGroup?: string
  /** The socket of the process that does BFD. */
  readonly bfd?: string
  /** A folder whose programs come before this machine's. */
  readonly programs?: string
  /** Words to Node itself; none unless said. */
  readonly flags?: readonly string[]
  /** `debug` unless said. */
  readonly logLevel?: string
  /** Where it answers over HTTP; on loopback unless said. */
  readonly http?: string
  /** The speaker before us, whose kernel routes are taken over. */
  readonly adopt?: string
}

export class Agent {
  readonly host: Host
  readonly socket: string
  /** Where `--cni` writes. */
  readonly cniDirectory: string
  private readonly manifests: Manifests
  private readonly options: AgentOptions
  private process: Daemon | undefined

  constructor(host: Host, manifests: Manifests, options: AgentOptions = {}) {
    this.host = host
    this.manifests = manifests
    this.options = options
    this.cniDirectory = join(host.directory, 'cni')
    this.socket = join(host.directory, 'godwit.sock')
  }

  async start(): Promise<void> {
    const { programs } = this.options
    this.process = this.host.start('agent', [
      ...(programs === undefined ? [] : ['env', `PATH=${programs}:${process.env.PATH}`]),
      ...[
        process.execPath,
        ...(this.options.flags ?? []),
        MAIN,
        'agent',
        '--node',
        this.host.name,
        '--source',
        this.manifests.directory,
      ],
      ...['--control', this.socket, '--http', this.options.http ?? '127.0.0.1:9179'],
      ...['--log-level', this.options.logLevel ?? 'debug'],
      ...['--dataplane', this.options.linux === true ? 'linux' : 'none'],
      ...(this.options.bfd === undefined ? [] : ['--bfd', this.options.bfd]),
      ...(this.options.table === undefined ? [] : ['--table', `${this.options.table}`]),
      ...(this.options.apiGroup === undefined ? [] : ['--api-group', this.options.apiGroup]),
      ...(this.options.adopt === undefined ? [] : ['--adopt', this.options.adopt]),
      ...(this.options.cni === undefined ? [] : ['--cni', this.options.cni, '--cni-dir', this.cniDirectory]),
    ])
    await eventually(
      async () => {
        if (!this.process?.running)
          throw new Hopeless(`the agent on ${this.host.name} does not run: see ${this.process?.log}`)
        // Looking for the socket costs nothing; asking is a process of its own.
        if (!existsSync(this.socket)) throw new Error(`the agent on ${this.host.name} has no socket yet`)
        await this.show('status')
      },
      { within: 90_000 },
    )
  }

  /** What `--json show …` answers. */
  async show<T = unknown>(...words: readonly string[]): Promise<T> {
    const text = await must([process.execPath, MAIN, '-s', this.socket, '--json', 'show', ...words])
    return JSON.parse(text) as T
  }

  /** `disable NAME words` and the like; what it answers. */
  act(...words: readonly string[]): Promise<string> {
    return must([process.execPath, MAIN, '-s', this.socket, ...words])
  }

  protocols(): Promise<readonly AgentProtocol[]> {
    return this.show('protocols')
  }

  async lastErrors(): Promise<string> {
    return (await this.protocols()).map(({ lastError }) => lastError ?? '').join(' · ')
  }

  /** Learned routes in the same shape as a router's. */
  async routes(...words: readonly string[]): Promise<readonly Route[]> {
    const rows = await this.show<readonly AgentRoute[]>('route', ...words)
    return rows.flatMap((row) => (row.from === null ? [] : [routeOf(row, row.from)]))
  }

  get pid(): number {
    return this.process?.pid ?? -1
  }

  /** What it has logged, of all its runs. */
  get log(): string {
    return join(this.host.directory, 'agent.log')
  }

  get running(): boolean {
    return this.process?.running === true
  }

  async stop(): Promise<void> {
    await this.process?.stop()
  }

  /** For good: neighbors drop what it told them. */
  async leave(): Promise<void> {
    await this.process?.stop('SIGINT')
  }

  async kill(): Promise<void> {
    await this.process?.kill()
  }
}

const routeOf = (row: AgentRoute, from: string): Route => ({
  prefix: row.prefix,
  nextHop: row.nextHop ?? '',
  from,
  asPath: row.asPath.map((item) => (typeof item === 'number' ? String(item) : `{${item.join(',')}}`)).join(' '),
  origin: (row.origin ?? '').toLowerCase() as Route['origin'],
  localPref: row.localPref ?? undefined,
  med: row.med ?? undefined,
  communities: [...row.communities].sort(),
  largeCommunities: [...row.largeCommunities].sort(),
})
