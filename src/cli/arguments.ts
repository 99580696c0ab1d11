/** Parses the command line: decides what is started, with which options, or returns the usage error. */

import { hostname } from 'node:os'
import { parseArgs } from 'node:util'
import { lookUp } from '../base/look-up.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type ShellName = (typeof SHELLS)[number]

/** The forms an answer can have. */
export const FORMATS = ['text', 'wide', 'json', 'yaml', 'name'] as const
export type Format = (typeof FORMATS)[number]

const DEFAULT_SOCKET = '/run/godwit/godwit.sock'

export const USAGE = `godwit: a dual-stack BGP route advertiser for Kubernetes

  godwit agent [--node NAME] [--namespace NAME] [--source kubernetes|DIR] [--kubeconfig FILE] [--api-group GROUP]
               [--control PATH] [--control-group NAME] [--calico-control DIR] [--http HOST:PORT|none]
               [--dataplane linux|none] [--table main|NUMBER] [--adopt bird|zebra|NUMBER,...] [--cni ptp|bridge|remove|none] [--cni-dir DIR]
               [--status FILE] [--node-readiness] [--bfd thread|PATH] [--log-level debug|info|warn|error]
                                    advertise this node's routes; --status FILE writes the status of the node to a file;
                                    --node-readiness sets a condition on the Node and removes its startup taint
  godwit bfd [--control PATH] [--log-level debug|info|warn|error]
                                    run BFD in a separate process that outlives agents (agent --bfd PATH)
  godwit                            open an interactive shell
  godwit show explain IP|PREFIX|NAMESPACE/SERVICE
                                    why it is or is not advertised, learned and forwarded
  godwit show status | summary | protocols [all] [NAME] | route [...] | services | filters | nat
              | callers | interfaces | static | symbols | memory | bfd sessions
  godwit enable | disable | restart | drain | undrain PEER, reload [in|out] PEER, configure check
  godwit leave [cancel|REASON], down, graceful restart
                                    commands to a running agent; \`godwit show ?\` lists all of show; disable, drain
                                    and leave hold until taken back or until the machine reboots
  godwit check DIR|FILE|-|kubernetes [--node NAME] [--diff OLD] [--namespace NAME] [--api-group GROUP] [--kubeconfig FILE]
                                    list errors in objects, and what each node would advertise to which neighbor;
                                    --namespace NAME is that of the agents, who read Secrets there
  godwit doctor                     check whether this machine can route, and print what to change
  godwit completion bash|zsh|fish   print a completion script for the shell
  godwit --version | --help

Options of commands to a running agent, before or after the command (doctor has -s, -o and --json, check -o and --json):
  -s, --socket PATH                 the agent's control socket (GODWIT_SOCKET; ${DEFAULT_SOCKET})
  -o, --output text|wide|json|yaml|name
                                    wide: with all details; name: names only
      --json                        the same as -o json
  -w, --watch[=SECONDS]             repeat the command, every two seconds by default
      --no-pager                    do not show long answers in a pager (GODWIT_PAGER, PAGER; less)

Exit codes: 0 done, 1 refused or not found, 2 wrong usage.
`

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

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
type LogLevel = (typeof LOG_LEVELS)[number]

export interface CheckOptions {
  /** A folder, a file, `-` for standard input, or `kubernetes` for a cluster. */
  readonly source: string
  /** The source to compare with. */
  readonly diff: string | undefined
  /** Only this node. */
  readonly node: string | undefined
  /** Where the agents run, and read Secrets. */
  readonly namespace: string
  readonly apiGroup: string
  readonly kubeconfig: string | undefined
  readonly format: Format
}

interface CommandOptions {
  readonly socket: string
  readonly format: Format
  /** Seconds between two answers; undefined for one answer. */
  readonly watch: number | undefined
  readonly pager: boolean
}

export type Arguments =
  | { readonly kind: 'help' | 'version' }
  /** The socket of an agent that may run here. */
  | { readonly kind: 'doctor'; readonly socket: string; readonly format: Format }
  | { readonly kind: 'check'; readonly options: CheckOptions }
  | { readonly kind: 'completion'; readonly shell: ShellName }
  /** Asked by completion scripts: the possible words in place of the last of `typed`. */
  | { readonly kind: 'complete'; readonly socket: string; readonly typed: readonly string[] }
  | { readonly kind: 'wrong'; readonly text: string }
  | { readonly kind: 'agent'; readonly options: AgentOptions }
  | { readonly kind: 'bfd'; readonly options: BfdProcessOptions }
  | { readonly kind: 'command'; readonly words: readonly string[]; readonly options: CommandOptions }
  | { readonly kind: 'shell'; readonly socket: string }

const DEFAULT_NAMESPACE = 'godwit'

const wrong = (text: string): Arguments => ({ kind: 'wrong', text: `godwit: E_USAGE ${text}; see godwit --help` })

export function parseArguments(argv: readonly string[]): Arguments {
  const at = firstWord(argv)
  const options = argv.filter((_, index) => index !== at)
  switch (argv[at]) {
    case 'agent':
      return parseAgent(options)
    case 'bfd':
      return parseBfd(options)
    case 'check':
      return parseCheck(options)
    default:
      return parseClient(argv)
  }
}

/** Client options that take a value from the next word. */
const TAKES_VALUE: readonly string[] = ['-s', '--socket', '-o', '--output']

/** Index of the first word that is neither an option nor the value of one. */
function firstWord(argv: readonly string[]): number {
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? ''
    if (!word.startsWith('-') || word === '-') return at
    if (TAKES_VALUE.includes(word)) at++
  }
  return -1
}

const DEFAULT_WATCH = 2

interface ClientOptions {
  socket: string
  format: Format
  watch: number | undefined
  pager: boolean
}

/** Options may be before or after the command; everything after `--` belongs to the command. */
function parseClient(argv: readonly string[]): Arguments {
  const options: ClientOptions = {
    socket: process.env.GODWIT_SOCKET ?? DEFAULT_SOCKET,
    format: 'text',
    watch: undefined,
    pager: true,
  }
  const words: string[] = []
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? ''
    if (word === '--') {
      words.push(...argv.slice(at + 1))
      break
    }
    if (!word.startsWith('-') || word === '-') words.push(word)
    else if (word === '-h' || word === '--help') return { kind: 'help' }
    else if (word === '-v' || word === '--version') return { kind: 'version' }
    else {
      const [name = '', value] = cutOption(word)
      const taken = takeOption(options, name, value, argv[at + 1])
      if (typeof taken === 'string') return wrong(taken)
      at += taken
    }
  }
  return commandOf(words, options)
}

/** `--watch=5` as name and value; `-ojson` too. */
function cutOption(word: string): [string, string | undefined] {
  if (/^-[so][^=]/.test(word)) return [word.slice(0, 2), word.slice(2)]
  const sign = word.indexOf('=')
  return sign < 0 ? [word, undefined] : [word.slice(0, sign), word.slice(sign + 1)]
}

/** Returns how many of the following words were taken, or the error. */
function takeOption(options: ClientOptions, name: string, value: string | undefined, next: string | undefined) {
  switch (name) {
    case '--json':
      options.format = 'json'
      return 0
    case '--no-pager':
      options.pager = false
      return 0
    case '-w':
    case '--watch': {
      const seconds = value === undefined ? DEFAULT_WATCH : Number(value)
      if (!(seconds >= 0.1 && seconds <= 86_400)) return `${name}=${value}: seconds from 0.1 to 86400`
      options.watch = seconds
      return 0
    }
    case '-s':
    case '--socket': {
      const path = value ?? next
      if (path === undefined || path === '') return `${name} needs the path of a control socket`
      options.socket = path
      return value === undefined ? 1 : 0
    }
    case '-o':
    case '--output': {
      const format = FORMATS.find((one) => one === (value ?? next))
      if (format === undefined) return `${name} ${value ?? next ?? ''}: one of ${FORMATS.join(', ')}`
      options.format = format
      return value === undefined ? 1 : 0
    }
    default:
      return `unknown option ${name}`
  }
}

function commandOf(words: readonly string[], options: ClientOptions): Arguments {
  const { socket, format } = options
  const [first, second, ...rest] = words
  switch (first) {
    case undefined:
      return format === 'text' ? { kind: 'shell', socket } : wrong(`-o ${format} needs a command`)
    case 'doctor':
      if (second !== undefined) return wrong('doctor takes options only')
      return options.watch === undefined ? { kind: 'doctor', socket, format } : wrong('doctor has no --watch')
    case 'completion': {
      const shell = SHELLS.find((one) => one === second)
      if (shell === undefined || rest.length > 0) return wrong(`completion needs one of ${SHELLS.join(', ')}`)
      return { kind: 'completion', shell }
    }
    case 'complete':
      return { kind: 'complete', socket, typed: words.slice(1) }
    default:
      return { kind: 'command', words, options }
  }
}

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

export const CHECK_OPTIONS = {
  namespace: { type: 'string' },
  node: { type: 'string' },
  diff: { type: 'string' },
  'api-group': { type: 'string' },
  kubeconfig: { type: 'string' },
  json: { type: 'boolean' },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
} as const

function parseCheck(argv: readonly string[]): Arguments {
  const read = readArguments(() => parseArgs({ args: [...argv], options: CHECK_OPTIONS, allowPositionals: true }))
  if (typeof read === 'string') return wrong(read)
  const { values, positionals } = read
  if (values.help === true) return { kind: 'help' }
  const [source, second] = positionals
  if (source === undefined || second !== undefined) return wrong('check needs one folder, one file, - or kubernetes')
  const output = values.json === true ? 'json' : (values.output ?? 'text').replace(/^=/, '')
  const format = CHECK_FORMATS.find((one) => one === output)
  if (format === undefined) return wrong(`-o ${output}: one of ${CHECK_FORMATS.join(', ')}`)
  return {
    kind: 'check',
    options: {
      source,
      diff: values.diff,
      node: values.node,
      namespace: values.namespace ?? DEFAULT_NAMESPACE,
      apiGroup: values['api-group'] ?? DEFAULT_GROUP,
      kubeconfig: values.kubeconfig,
      format,
    },
  }
}

/** A report is not a list of names. */
const CHECK_FORMATS = ['text', 'wide', 'json', 'yaml'] as const

const BFD_SOCKET = '/run/godwit/bfd.sock'
export const BFD_OPTIONS = {
  control: { type: 'string' },
  'log-level': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

function parseBfd(argv: readonly string[]): Arguments {
  const read = readArguments(() => parseArgs({ args: [...argv], options: BFD_OPTIONS, strict: true }))
  if (typeof read === 'string') return wrong(read)
  const { values } = read
  if (values.help === true) return { kind: 'help' }
  const logLevel = LOG_LEVELS.find((level) => level === (values['log-level'] ?? 'info'))
  if (logLevel === undefined) return wrong(`--log-level ${values['log-level']}: one of ${LOG_LEVELS.join(', ')}`)
  return { kind: 'bfd', options: { control: values.control ?? BFD_SOCKET, logLevel } }
}

const DEFAULT_GROUP = 'godwit.dev'

function parseAgent(argv: readonly string[]): Arguments {
  const read = readArguments(() => parseArgs({ args: [...argv], options: AGENT_OPTIONS, strict: true }))
  const values = typeof read === 'string' ? read : read.values
  if (typeof values === 'string') return wrong(values)
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

/** What was read, or what is wrong with it. */
function readArguments<Read>(read: () => Read): Read | string {
  try {
    return read()
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    // Node goes on with how to type a word that begins with a hyphen.
    return text.replace(/^Unknown option '([^']*)'.*$/s, 'unknown option $1')
  }
}
