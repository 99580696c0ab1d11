/** The table of commands: syntax, values and help of each. Parsing, abbreviation, help and completion all read it. */

import type { Family } from '../base/family.ts'
import type { Prefix } from '../base/prefix.ts'
import type { Command, Reads, Which } from './command.ts'
import type { ArgumentKind, ArgumentValue } from './option-values.ts'
import { ORIGINATED_KINDS } from './originated-kind.ts'
import type { Subject } from './subject.ts'
import type { Where } from './where/parse.ts'

/** An option after the words of a command. Each at most once, in any order. */
export interface Option {
  /** The word that introduces it; undefined: a value without a word. */
  readonly word?: string
  /** The kind of the value after the word; undefined: a word without a value. */
  readonly value?: ArgumentKind
  /** Key of the value among those handed to `build`; the word where it is left out. */
  readonly key?: string
  readonly required?: boolean
  readonly help: string
}

/** Values by key, already read. A word without a value is `true`. */
interface Values {
  readonly [key: string]: ArgumentValue
}

export interface CommandRow {
  readonly words: readonly string[]
  readonly options: readonly Option[]
  readonly help: string
  /** Not allowed in restricted mode. */
  readonly acts?: true
  /** What the system is to be asked first. */
  readonly reads?: Reads
  /** For programs only: not in the help, and never abbreviated, so that other words keep their abbreviations. */
  readonly hidden?: true
  /** A text is what is wrong with the values together. */
  readonly build: (values: Values) => Command | string
}

const WHICH: Option = { value: 'which', key: 'which', required: true, help: 'one neighbor, a pattern, or all' }
const MESSAGE: Option = { value: 'text', key: 'message', help: 'reason, sent to the neighbor' }

const actOn = (kind: 'enable' | 'disable' | 'restart' | 'drain' | 'undrain', help: string): CommandRow => ({
  words: [kind],
  options: [WHICH, MESSAGE],
  help,
  acts: true,
  build: ({ which, message }) => ({ kind, which: which as Which, message: (message as string | undefined) ?? '' }),
})

/** A protocol of BIRD that does not run here, whatever is asked of it: exporters ask all of them. */
const absent = (word: string, protocol: string): CommandRow => ({
  words: ['show', word],
  options: [
    { value: 'text', key: 'what', help: 'accepted' },
    { value: 'text', key: 'of', help: 'accepted' },
  ],
  help: `${protocol} does not run here`,
  hidden: true,
  build: () => ({ kind: 'show-absent', protocol }),
})

export const COMMANDS: readonly CommandRow[] = [
  {
    words: ['show', 'status'],
    options: [],
    help: 'Show the state of this agent',
    build: () => ({ kind: 'show-status' }),
  },
  {
    words: ['show', 'protocols'],
    options: [
      { word: 'all', help: 'with capabilities, timers and counts' },
      { value: 'which', key: 'which', help: 'only this neighbor, or those a pattern matches' },
    ],
    help: 'Show neighbors and their sessions',
    build: ({ all, which }) => ({ kind: 'show-protocols', all: all === true, which: which as Which | undefined }),
  },
  {
    words: ['show', 'summary'],
    options: [],
    help: 'Show all neighbors and their prefixes on one screen',
    build: () => ({ kind: 'show-summary' }),
  },
  {
    words: ['show', 'explain'],
    options: [
      { value: 'subject', key: 'subject', required: true, help: 'an address, a prefix, or a service: shop/web' },
    ],
    help: 'Explain why an address, prefix or service is or is not advertised, learned and forwarded',
    build: ({ subject }) => ({ kind: 'show-explain', subject: subject as Subject }),
  },
  {
    words: ['show', 'route'],
    options: [
      { word: 'for', value: 'prefix', help: 'the longest match of an address, or this prefix' },
      { value: 'prefix', key: 'for', help: 'this prefix' },
      { word: 'in', value: 'prefix', help: 'everything inside this prefix' },
      { word: 'table', value: 'table', help: 'one family only, or all' },
      { word: 'protocol', value: 'protocol', help: 'learned from this neighbor, or ours of this kind' },
      { word: 'export', value: 'protocol', help: 'advertised to this neighbor' },
      { word: 'preexport', value: 'protocol', help: 'routes before export policy for this neighbor' },
      { word: 'noexport', value: 'protocol', help: 'rejected by export to this neighbor, and why' },
      { word: 'filtered', help: 'rejected on import, and why' },
      { word: 'filter', value: 'text', help: 'accepted by the filter of this name, see `show symbols filter`' },
      { word: 'where', value: 'where', help: 'a BIRD filter expression: net ~ [10.0.0.0/8+] && bgp_path.last = 65001' },
      { word: 'primary', help: 'best routes only' },
      { word: 'all', help: 'with attributes, reasons and the neighbors they are advertised to' },
      { word: 'count', help: 'numbers only' },
      { word: 'stats', help: 'with numbers at the end' },
    ],
    help: 'Show routes',
    build: buildShowRoute,
  },
  {
    words: ['show', 'interfaces'],
    options: [{ word: 'summary', help: 'one line each' }],
    help: 'Show network interfaces',
    build: ({ summary }) => ({ kind: 'show-interfaces', summary: summary === true }),
  },
  {
    words: ['show', 'callers'],
    options: [],
    help: 'Show callers that are not neighbors and were refused',
    build: () => ({ kind: 'show-callers' }),
  },
  {
    words: ['show', 'filters'],
    options: [{ value: 'which', key: 'which', help: 'only those of this neighbor, or of those a pattern matches' }],
    help: 'Show import and export rules, and how often each matched; neighbors with the same rules share one count',
    build: ({ which }) => ({ kind: 'show-filters', which: which as Which | undefined }),
  },
  {
    words: ['show', 'memory'],
    options: [],
    help: 'Show memory usage',
    build: () => ({ kind: 'show-memory' }),
  },
  {
    words: ['show', 'services'],
    options: [],
    help: 'Show what this node advertises, and why something is not',
    build: () => ({ kind: 'show-services' }),
  },
  {
    words: ['show', 'static'],
    options: [{ value: 'protocol', key: 'protocol', help: `of this kind only: ${ORIGINATED_KINDS.join(', ')}` }],
    help: 'Show the routes that this node originates',
    build: ({ protocol }) => ({ kind: 'show-static', protocol: protocol as string | undefined }),
  },
  {
    words: ['show', 'symbols'],
    options: [{ value: 'text', key: 'of', help: 'one name, or protocol, table or filter' }],
    help: 'Show names of neighbors, tables and filters',
    build: ({ of }) => ({ kind: 'show-symbols', of: of as string | undefined }),
  },
  {
    words: ['show', 'bfd', 'sessions'],
    options: [{ value: 'which', key: 'which', help: 'only those of this neighbor, or of those a pattern matches' }],
    help: 'Show the BFD sessions that watch neighbors',
    reads: 'bfd',
    build: ({ which }) => ({ kind: 'show-bfd', which: which as Which | undefined }),
  },
  absent('ospf', 'OSPF'),
  absent('rip', 'RIP'),
  absent('babel', 'Babel'),
  {
    words: ['show', 'nat'],
    options: [],
    help: 'Show NAT of outgoing traffic, by pool',
    reads: 'nat',
    build: () => ({ kind: 'show-nat' }),
  },
  actOn('enable', 'Start a neighbor that was disabled'),
  actOn('disable', 'Stop a neighbor and keep it stopped'),
  actOn('restart', 'Stop a neighbor and start it again'),
  actOn(
    'drain',
    'Prepare maintenance of a neighbor: routes to and from it become the last choice; the session stays up',
  ),
  actOn('undrain', 'End the drain of a neighbor'),
  {
    words: ['reload'],
    options: [
      { word: 'in', help: 'import only' },
      { word: 'out', help: 'export only' },
      { word: 'filters', help: 'accepted, as BIRD 3 writes it' },
      WHICH,
    ],
    help: 'Apply policy again to all routes of a neighbor',
    acts: true,
    build: (values) => {
      if (values.in === true && values.out === true) return '"in" and "out" together'
      const direction = values.in === true ? 'in' : values.out === true ? 'out' : 'both'
      return { kind: 'reload', which: values.which as Which, direction }
    },
  },
  {
    words: ['configure'],
    options: [
      { word: 'check', help: 'report problems of the objects' },
      { word: 'confirm', help: 'accepted; no change ever waits for it' },
      { word: 'undo', help: 'not supported; undo the change in the objects' },
      { word: 'timeout', help: 'accepted, has no effect' },
      { value: 'seconds', key: 'seconds', help: 'accepted, has no effect' },
      { word: 'soft', help: 'accepted, has no effect' },
      { value: 'file', key: 'file', help: 'accepted, has no effect' },
    ],
    help: 'Report problems of the objects; changes are always followed',
    acts: true,
    build: ({ check, confirm, undo }) => {
      if (confirm === true) return { kind: 'configure-confirm' }
      return undo === true ? { kind: 'configure-undo' } : { kind: 'configure', check: check === true }
    },
  },
  {
    words: ['debug'],
    options: [WHICH, { value: 'classes', key: 'classes', required: true, help: 'what to trace' }],
    help: 'Not supported: messages are not traced; `off` is accepted',
    acts: true,
    build: ({ which, classes }) => ({ kind: 'debug', which: which as Which, on: classes !== 'off' }),
  },
  {
    words: ['leave'],
    options: [
      { word: 'cancel', help: 'stop leaving, or return' },
      { value: 'text', key: 'reason', help: 'reason, sent to the neighbors' },
    ],
    help: 'Leave gracefully: neighbors are asked to prefer other paths, then routes are withdrawn, then sessions end; the agent keeps running',
    acts: true,
    build: ({ cancel, reason }) =>
      cancel === true
        ? { kind: 'stay' }
        : { kind: 'leave', reason: (reason as string | undefined) ?? 'this node is leaving' },
  },
  {
    words: ['down'],
    options: [],
    help: 'Stop this agent; its supervisor may start it again',
    acts: true,
    build: () => ({ kind: 'down' }),
  },
  {
    words: ['graceful', 'restart'],
    options: [],
    help: 'Stop this agent as for an update: neighbors with graceful restart keep its routes until it is back',
    acts: true,
    build: () => ({ kind: 'graceful-restart' }),
  },
  {
    words: ['eval'],
    options: [{ value: 'text', key: 'of', help: 'an expression of the filter language' }],
    help: 'Not supported: filters are BGPFilter objects',
    build: () => ({ kind: 'eval' }),
  },
  {
    words: ['restrict'],
    options: [],
    help: 'Make this connection read-only',
    build: () => ({ kind: 'restrict' }),
  },
  {
    words: ['echo'],
    options: [{ value: 'classes', key: 'classes', required: true, help: 'what to echo' }],
    help: 'Not supported: log lines are not echoed; `echo off` is accepted',
    build: ({ classes }) => ({ kind: 'echo', on: classes !== 'off' }),
  },
  {
    words: ['timeformat'],
    options: [
      { word: 'base', help: 'times of `show status`' },
      { word: 'protocol', help: 'times of `show protocols`' },
      { word: 'route', help: 'times of `show route`' },
      { word: 'iso', required: true, help: 'as in ISO 8601' },
      { word: 'short', help: 'time of day, or the date if it is long ago' },
      { word: 'long', help: 'date and time' },
      { word: 'ms', help: 'with milliseconds' },
      { word: 'us', help: 'with microseconds' },
    ],
    help: 'Set the time format of this connection',
    build: buildTimeFormat,
  },
  {
    words: ['help'],
    options: [{ value: 'text', key: 'about', help: 'a command' }],
    help: 'List commands; `?` lists them at any point of a line',
    build: ({ about }) => ({ kind: 'help', about: (about as string | undefined) ?? '' }),
  },
]

function buildShowRoute(values: Values): Command | string {
  const table = values.table === 'all' ? undefined : (values.table as Family | undefined)
  const wanted = values.for as Prefix | undefined
  const inside = values.in as Prefix | undefined
  for (const prefix of [wanted, inside]) {
    if (prefix !== undefined && table !== undefined && prefix.family !== table) {
      return `incompatible: ${prefix.text} cannot be in ${table === 'ipv4' ? 'master4' : 'master6'}`
    }
  }
  if (wanted !== undefined && inside !== undefined) return '"for" and "in" together'
  const exports = (['export', 'preexport', 'noexport'] as const).filter((word) => values[word] !== undefined)
  if (exports.length > 1)
    return exports
      .map((word) => `"${word}"`)
      .join(' and ')
      .concat(' together')
  return {
    kind: 'show-route',
    for: wanted,
    in: inside,
    table,
    protocol: values.protocol as string | undefined,
    export: values.export as string | undefined,
    preexport: values.preexport as string | undefined,
    noexport: values.noexport as string | undefined,
    filter: values.filter as string | undefined,
    where: values.where as Where | undefined,
    filtered: values.filtered === true,
    primary: values.primary === true,
    all: values.all === true,
    count: values.count === true,
    stats: values.stats === true,
  }
}

function buildTimeFormat(values: Values): Command | string {
  if (values.short === true && values.long === true) return '"short" and "long" together'
  if (values.short !== true && values.long !== true) return 'expecting short or long'
  const named = (['base', 'protocol', 'route'] as const).filter((where) => values[where] === true)
  const digits = values.us === true ? 6 : values.ms === true ? 3 : 0
  return {
    kind: 'timeformat',
    where: named.length === 0 ? ['base', 'protocol', 'route'] : named,
    style: { length: values.long === true ? 'long' : 'short', digits },
  }
}
