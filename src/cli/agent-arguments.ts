/** The options of `godwit agent` and `godwit bfd`, and the words that set them. */
import { hostname } from 'node:os'
import { parseArgs } from 'node:util'
import { lookUp } from '../base/look-up.ts'
import {
  DEFAULT_GROUP,
  DEFAULT_NAMESPACE,
  DEFAULT_SOCKET,
  LOG_LEVELS,
  type LogLevel,
  type NotParsed,
  readArguments,
  wrong,
} from './option-values.ts'

export interface AgentOptions {
  readonly node: string
  /** Where the Secrets with the keys of neighbors are. */
  readonly namespace: string
  /** Name of the pod that the agent is; undefined: it is none. */
  readonly pod: string | undefined
  /** `kubernetes`, or the folder of manifests. */
  readonly source: string
  readonly kubeconfig: string | undefined
  readonly apiGroup: string
  readonly control: string
  readonly controlGroup: string | undefined
  /** Folder where Calico's tools look for the sockets of BIRD. */
  readonly calicoControl: string | undefined
  /** Undefined for no HTTP at all. */
  readonly http: string | undefined
  readonly logLevel: LogLevel
  /** The plugin that connects pods; `remove` takes our configuration away, `none` leaves all as it is. */
  readonly cni: (typeof CNI_MODES)[number]
  readonly cniDirectory: string
  /** Whether routes and NAT are written into this machine's kernel. */
  readonly dataplane: (typeof DATAPLANES)[number]
  /** Routing table for our routes: `main`, or a number. */
  readonly table: string
  /** Protocol numbers of the speaker before us: its routes in the kernel stay until ours stand. */
  readonly adopt: readonly number[]
  /** `thread`, or the socket of the process that does it (`godwit bfd`). */
  readonly bfd: string
  /** Where the status of this node is written as a file. */
  readonly status: string | undefined
  /** Write the condition of the Node, and take its startup taint away. */
  readonly nodeReadiness: boolean
}

/** BFD as a process of its own. */
export interface BfdProcessOptions {
  /** Where agents reach it. */
  readonly control: string
  readonly logLevel: LogLevel
}

export const DATAPLANES = ['linux', 'none'] as const

export const CNI_MODES = ['none', 'ptp', 'bridge', 'remove'] as const
const CNI_DIRECTORY = '/etc/cni/net.d'

export const AGENT_OPTIONS = {
  node: { type: 'string' },
  source: { type: 'string' },
  kubeconfig: { type: 'string' },
  namespace: { type: 'string' },
  'api-group': { type: 'string' },
  control: { type: 'string' },
  'control-group': { type: 'string' },
  'calico-control': { type: 'string' },
  http: { type: 'string' },
  dataplane: { type: 'string' },
  table: { type: 'string' },
  adopt: { type: 'string' },
  bfd: { type: 'string' },
  status: { type: 'string' },
  'node-readiness': { type: 'boolean' },
  cni: { type: 'string' },
  'cni-dir': { type: 'string' },
  'log-level': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

const BFD_SOCKET = '/run/godwit/bfd.sock'
export const BFD_OPTIONS = {
  control: { type: 'string' },
  'log-level': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

export function parseBfd(
  argv: readonly string[],
): NotParsed | { readonly kind: 'bfd'; readonly options: BfdProcessOptions } {
  const read = readArguments(() => parseArgs({ args: [...argv], options: BFD_OPTIONS, strict: true }))
  if (typeof read === 'string') return wrong(read)
  const { values } = read
  if (values.help === true) return { kind: 'help' }
  const logLevel = LOG_LEVELS.find((level) => level === (values['log-level'] ?? 'info'))
  if (logLevel === undefined) return wrong(`--log-level ${values['log-level']}: one of ${LOG_LEVELS.join(', ')}`)
  return { kind: 'bfd', options: { control: values.control ?? BFD_SOCKET, logLevel } }
}

export function parseAgent(
  argv: readonly string[],
): NotParsed | { readonly kind: 'agent'; readonly options: AgentOptions } {
  const read = readArguments(() => parseArgs({ args: [...argv], options: AGENT_OPTIONS, strict: true }))
  if (typeof read === 'string') return wrong(read)
  const { values } = read
  if (values.help === true) return { kind: 'help' }
  const dataplane = DATAPLANES.find((kind) => kind === (values.dataplane ?? 'linux'))
  if (dataplane === undefined) return wrong(`--dataplane ${values.dataplane}: one of ${DATAPLANES.join(', ')}`)
  const table = values.table ?? 'main'
  const whyNot = whyNotTable(table)
  if (whyNot !== undefined) return wrong(`--table ${table}: ${whyNot}`)
  const adopt = parseAdopt(values.adopt)
  if (adopt === undefined) return wrong(`--adopt ${values.adopt}: bird, zebra, or protocol numbers from 5 to 255`)
  if (adopt.length > 0 && dataplane === 'none') return wrong('--adopt needs --dataplane linux')
  const logLevel = LOG_LEVELS.find((level) => level === (values['log-level'] ?? 'info'))
  if (logLevel === undefined) return wrong(`--log-level ${values['log-level']}: one of ${LOG_LEVELS.join(', ')}`)
  const cni = CNI_MODES.find((mode) => mode === (values.cni ?? 'none'))
  if (cni === undefined) return wrong(`--cni ${values.cni}: one of ${CNI_MODES.join(', ')}`)
  const nodeReadiness = values['node-readiness'] === true
  if (nodeReadiness && (values.source ?? 'kubernetes') !== 'kubernetes')
    return wrong('--node-readiness needs --source kubernetes')
  const http = values.http ?? '127.0.0.1:9179'
  return {
    kind: 'agent',
    options: {
      node: values.node ?? (process.env.NODE_NAME || hostname()),
      source: values.source ?? 'kubernetes',
      kubeconfig: values.kubeconfig,
      namespace: values.namespace ?? (process.env.POD_NAMESPACE || DEFAULT_NAMESPACE),
      pod: process.env.POD_NAME || undefined,
      apiGroup: values['api-group'] ?? DEFAULT_GROUP,
      control: values.control ?? DEFAULT_SOCKET,
      controlGroup: values['control-group'],
      calicoControl: values['calico-control'],
      http: http === 'none' ? undefined : http,
      logLevel,
      cni,
      dataplane,
      table,
      adopt,
      bfd: values.bfd ?? 'thread',
      status: values.status,
      nodeReadiness,
      cniDirectory: values['cni-dir'] ?? CNI_DIRECTORY,
    },
  }
}

/** Numbers under which speakers write what BGP taught them: older zebras, and those of today. */
const SPEAKERS: Readonly<Record<string, readonly number[]>> = { bird: [12], zebra: [11, 186] }
/** Below are the kernel's own routes, those of the boot and of people. */
const FIRST_DAEMON = 5

function parseAdopt(text: string | undefined): readonly number[] | undefined {
  const found = (text?.split(',') ?? []).map((word) => lookUp(SPEAKERS, word) ?? parseProtocol(word))
  return found.includes(undefined) ? undefined : found.flatMap((numbers) => numbers ?? [])
}

function parseProtocol(word: string): readonly number[] | undefined {
  const number = /^\d{1,3}$/.test(word) ? Number(word) : 0
  return number >= FIRST_DAEMON && number <= 255 ? [number] : undefined
}

/** The kernel's own table of local addresses; its routes take precedence over all others. */
const LOCAL_TABLE = 255

function whyNotTable(table: string): string | undefined {
  if (table === 'main') return undefined
  if (!/^[1-9]\d{0,9}$/.test(table) || Number(table) >= 2 ** 32) return 'main, or a number from 1 to 4294967295'
  return Number(table) === LOCAL_TABLE ? 'that is the table of local addresses' : undefined
}
