/** Parses the command line: decides what is started, with which options, or returns the usage error. */
import { parseAgent, parseBfd } from './agent-arguments.ts'
import { parseCheck } from './check-arguments.ts'
import { DEFAULT_SOCKET, FORMATS, type Format, type NotParsed, SHELLS, type ShellName, wrong } from './option-values.ts'

interface CommandOptions {
  readonly socket: string
  readonly format: Format
  /** Seconds between two answers; undefined for one answer. */
  readonly watch: number | undefined
  readonly pager: boolean
}

export type Arguments =
  | NotParsed
  | ReturnType<typeof parseAgent>
  | ReturnType<typeof parseBfd>
  | ReturnType<typeof parseCheck>
  | { readonly kind: 'version' }
  /** The socket of an agent that may run here. */
  | { readonly kind: 'doctor'; readonly socket: string; readonly format: Format }
  | { readonly kind: 'completion'; readonly shell: ShellName }
  /** Asked by completion scripts: the possible words in place of the last of `typed`. */
  | { readonly kind: 'complete'; readonly socket: string; readonly typed: readonly string[] }
  | { readonly kind: 'command'; readonly words: readonly string[]; readonly options: CommandOptions }
  | { readonly kind: 'shell'; readonly socket: string }

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
    socket: process.env.GODWIT_SOCKET || DEFAULT_SOCKET,
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
