/** The words of the command line, before anything is started. */
import { hostname } from 'node:os'
import { parseArgs } from 'node:util'

const DEFAULT_SOCKET = '/run/godwit/godwit.sock'

export const USAGE = `godwit: a dual-stack BGP route advertiser for Kubernetes

  godwit agent [--node NAME] [--source kubernetes|DIR] [--kubeconfig FILE] [--api-group GROUP]
               [--control PATH] [--control-group NAME] [--calico-control DIR] [--http HOST:PORT|none]
               [--dataplane linux|none] [--table main|NUMBER] [--cni ptp|bridge|remove|none] [--cni-dir DIR]
               [--log-level debug|info|warn|error]
                                    advertise this node's routes
  godwit [-s SOCKET]                look around in a shell
  godwit [-s SOCKET] [--json] show status | protocols [all] [NAME] | route [...] | services | filters | nat
                             | interfaces | static | symbols | memory
  godwit [-s SOCKET] enable | disable | restart PEER, reload [in|out] PEER, configure check
                                    ask a running agent; \`show ?\` lists what there is to see
  godwit [-s SOCKET] doctor         is this machine fit to route, and what to do
  godwit --version | --help
`

export interface AgentWords {
  readonly node: string
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
}

const DATAPLANES = ['linux', 'none'] as const

const CNI_MODES = ['none', 'ptp', 'bridge', 'remove'] as const
const CNI_DIRECTORY = '/etc/cni/net.d'

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
type LogLevel = (typeof LOG_LEVELS)[number]

export type Words =
  | { readonly kind: 'help' | 'version' }
  /** The socket of an agent that may run here. */
  | { readonly kind: 'doctor'; readonly socket: string }
  | { readonly kind: 'wrong'; readonly text: string }
  | { readonly kind: 'agent'; readonly options: AgentWords }
  | { readonly kind: 'command'; readonly socket: string; readonly json: boolean; readonly words: readonly string[] }
  | { readonly kind: 'shell'; readonly socket: string }

const wrong = (text: string): Words => ({ kind: 'wrong', text: `godwit: E_USAGE ${text}; see godwit --help` })

export function parseWords(argv: readonly string[]): Words {
  return argv[0] === 'agent' ? parseAgentWords(argv.slice(1)) : parseClientWords(argv)
}

/** Options come before the command: what follows its first word belongs to the command. */
function parseClientWords(argv: readonly string[]): Words {
  let socket = process.env.GODWIT_SOCKET ?? DEFAULT_SOCKET
  let json = false
  let at = 0
  for (; at < argv.length && argv[at]?.startsWith('-'); at++) {
    const word = argv[at]
    if (word === '-h' || word === '--help') return { kind: 'help' }
    if (word === '-v' || word === '--version') return { kind: 'version' }
    if (word === '--json') json = true
    else if (word === '-s' || word === '--socket') {
      const path = argv[++at]
      if (path === undefined) return wrong(`${word} wants the path of a control socket`)
      socket = path
    } else return wrong(`unknown option ${word}`)
  }
  const words = argv.slice(at)
  if (words.length === 0) return json ? wrong('--json wants a command') : { kind: 'shell', socket }
  if (words[0] !== 'doctor') return { kind: 'command', socket, json, words }
  return words.length === 1 && !json ? { kind: 'doctor', socket } : wrong('doctor takes no words and has no JSON')
}

const AGENT_OPTIONS = {
  node: { type: 'string' },
  source: { type: 'string' },
  kubeconfig: { type: 'string' },
  'api-group': { type: 'string' },
  control: { type: 'string' },
  'control-group': { type: 'string' },
  'calico-control': { type: 'string' },
  http: { type: 'string' },
  dataplane: { type: 'string' },
  table: { type: 'string' },
  cni: { type: 'string' },
  'cni-dir': { type: 'string' },
  'log-level': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

function parseAgentWords(argv: readonly string[]): Words {
  const values = readOptions(argv)
  if (typeof values === 'string') return wrong(values)
  if (values.help === true) return { kind: 'help' }
  const dataplane = DATAPLANES.find((kind) => kind === (values.dataplane ?? 'linux'))
  if (dataplane === undefined) return wrong(`--dataplane ${values.dataplane}: one of ${DATAPLANES.join(', ')}`)
  const table = values.table ?? 'main'
  const whyNot = whyNotTable(table)
  if (whyNot !== undefined) return wrong(`--table ${table}: ${whyNot}`)
  const logLevel = LOG_LEVELS.find((level) => level === (values['log-level'] ?? 'info'))
  if (logLevel === undefined) return wrong(`--log-level ${values['log-level']}: one of ${LOG_LEVELS.join(', ')}`)
  const cni = CNI_MODES.find((mode) => mode === (values.cni ?? 'none'))
  if (cni === undefined) return wrong(`--cni ${values.cni}: one of ${CNI_MODES.join(', ')}`)
  const http = values.http ?? '127.0.0.1:9179'
  return {
    kind: 'agent',
    options: {
      node: values.node ?? process.env.NODE_NAME ?? hostname(),
      source: values.source ?? 'kubernetes',
      kubeconfig: values.kubeconfig,
      apiGroup: values['api-group'] ?? 'godwit.dev',
      control: values.control ?? DEFAULT_SOCKET,
      controlGroup: values['control-group'],
      calicoControl: values['calico-control'],
      http: http === 'none' ? undefined : http,
      logLevel,
      cni,
      dataplane,
      table,
      cniDirectory: values['cni-dir'] ?? CNI_DIRECTORY,
    },
  }
}

/** The kernel's own table of local addresses; what stands there comes before all other routes. */
const LOCAL_TABLE = 255

function whyNotTable(table: string): string | undefined {
  if (table === 'main') return undefined
  if (!/^[1-9]\d{0,9}$/.test(table) || Number(table) >= 2 ** 32) return 'main, or a number from 1 to 4294967295'
  return Number(table) === LOCAL_TABLE ? 'that is the table of local addresses' : undefined
}

type AgentValues = ReturnType<typeof parseArgs<{ options: typeof AGENT_OPTIONS }>>['values']

function readOptions(argv: readonly string[]): AgentValues | string {
  try {
    return parseArgs({ args: [...argv], options: AGENT_OPTIONS, strict: true }).values
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
