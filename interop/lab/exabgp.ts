// ExaBGP as a neighbor that says whatever it is told, attributes byte by byte if need be, and writes down what it hears.
// It sorts the attributes of a message by their codes, sends each once, ORIGIN and AS_PATH always and LOCAL_PREF to its own
// AS only; what has to break that comes from raw-peer.ts.

import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from './lab.ts'
import { has, run } from './run.ts'

export interface ExabgpOptions {
  readonly asn: number
  readonly peer: string
  readonly peerAs: number
  /** `ipv4 unicast`; default: both of ours. */
  readonly families?: readonly string[]
  /** `add-path send/receive` */
  readonly capabilities?: readonly string[]
  /** Further lines of its neighbor block. */
  readonly lines?: readonly string[]
  /** `10.0.0.0/24 next-hop self med 5`, all told at once when the session comes up. */
  readonly routes?: readonly string[]
}

/** One UPDATE it heard: attributes by its own names, prefixes it was told of. */
interface Heard {
  readonly attribute: Readonly<Record<string, unknown>>
  readonly prefixes: readonly string[]
}

const SETTINGS = {
  'exabgp.daemon.user': 'root',
  'exabgp.api.cli': 'false',
  'exabgp.api.ack': 'false',
  'exabgp.log.destination': 'stdout',
  'exabgp.log.level': 'DEBUG',
}

export const whyNoExabgp = async (): Promise<string | undefined> => {
  if (!(await has('exabgp'))) return 'exabgp is not installed'
  const said = await run(['exabgp', '--version'])
  return said.code === 0 ? undefined : `exabgp does not start: ${said.stderr.trim().split('\n').at(-1)}`
}

export class Exabgp {
  readonly host: Host
  private readonly options: ExabgpOptions

  constructor(host: Host, options: ExabgpOptions) {
    this.host = host
    this.options = options
  }

  private file(name: string): string {
    return join(this.host.directory, name)
  }

  async start(): Promise<void> {
    await writeFile(this.file('commands'), '')
    await writeFile(this.file('exabgp.conf'), this.configuration())
    const settings = Object.entries(SETTINGS).map(([name, value]) => `${name}=${value}`)
    this.host.start('exabgp', ['env', ...settings, 'exabgp', this.file('exabgp.conf')])
  }

  private configuration(): string {
    const {
      asn,
      peer,
      peerAs,
      families = ['ipv4 unicast', 'ipv6 unicast'],
      capabilities = [],
      lines = [],
      routes = [],
    } = this.options
    const block = (name: string, rows: readonly string[]): readonly string[] => [
      `${name} {`,
      ...rows.map((row) => `  ${row};`),
      '}',
    ]
    return [
      ...block('process say', [`run /usr/bin/tail -n +1 -f ${this.file('commands')}`, 'encoder text']),
      ...block('process hear', [`run /usr/bin/tee -a ${this.file('heard')}`, 'encoder json']),
      `neighbor ${peer} {`,
      ...[`router-id ${this.host.ipv4};`, `local-address ${peer.includes(':') ? this.host.ipv6 : this.host.ipv4};`],
      ...[`local-as ${asn};`, `peer-as ${peerAs};`, 'hold-time 90;'],
      ...block('family', families),
      ...block('capability', capabilities),
      ...lines,
      ...block(
        'static',
        routes.map((route) => `route ${route}`),
      ),
      ...block('api', ['processes [ say, hear ]', 'receive { parsed; update; }']).map((line) =>
        line.replace('};', '}'),
      ),
      '}',
      '',
    ].join('\n')
  }

  /** `announce route 10.0.0.0/24 next-hop self`, `withdraw route …`, in this order. */
  tell(...commands: readonly string[]): Promise<void> {
    return appendFile(this.file('commands'), commands.map((command) => `${command}\n`).join(''))
  }

  async heard(): Promise<readonly Heard[]> {
    const text = await readFile(this.file('heard'), 'utf8').catch(() => '')
    return text
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .flatMap((line) => {
        const update = (JSON.parse(line) as Message).neighbor?.message?.update
        return update === undefined ? [] : [heardOf(update)]
      })
  }
}

interface Message {
  readonly neighbor?: { readonly message?: { readonly update?: Update } }
}

interface Update {
  readonly attribute?: Readonly<Record<string, unknown>>
  readonly announce?: Readonly<Record<string, Readonly<Record<string, readonly { readonly nlri?: string }[]>>>>
}

const heardOf = ({ attribute = {}, announce = {} }: Update): Heard => ({
  attribute,
  prefixes: Object.values(announce).flatMap((byNextHop) =>
    Object.values(byNextHop).flatMap((rows) => rows.flatMap(({ nlri }) => nlri ?? [])),
  ),
})
