/**
 * Parses lines from clients into commands: abbreviation, help and completion. The words themselves are in
 * `commands.ts`.
 *
 * In: a line as it was typed. Out: a command or the error in the line; for `?`, the rows that match; for TAB, the words
 * that may come next. A word may be shortened as long as it is the beginning of only one word.
 */
import type { Asked, ParseError } from './command.ts'
import { COMMANDS, type CommandRow, type Option } from './commands.ts'
import { type ArgumentKind, type ArgumentValue, parseValue, VALUE_NAMES } from './option-values.ts'
import { cut, type Token } from './tokens.ts'
import { parseWhere } from './where/parse.ts'

const JSON_WORD = 'json'

export function parseCommand(line: string): Asked | ParseError {
  const { tokens, open } = cut(line)
  if (open !== undefined) return error(`expecting a closing ${open}`)
  const json = tokens[0]?.text === JSON_WORD && isPlain(tokens[0])
  if (asksForHelp(tokens)) return help(line.trimEnd().slice(0, -1), json)
  const words = json ? tokens.slice(1) : tokens
  const found = findRow(words)
  if (found.kind === 'error') return found
  if (found.row.words[0] === 'help')
    return help(
      words
        .slice(1)
        .map(({ text }) => text)
        .join(' '),
      json,
    )
  const values = readOptions(found.row, words.slice(found.row.words.length), line)
  if (values.kind === 'error') return values
  const command = found.row.build(values.values)
  if (typeof command === 'string') return error(command)
  return { kind: 'command', command, json, acts: found.row.acts === true, reads: found.row.reads }
}

const error = (text: string): ParseError => ({ kind: 'error', text: `syntax error, ${text}` })
const help = (about: string, json: boolean): Asked => ({
  kind: 'command',
  command: { kind: 'help', about: about.trim() },
  json,
  acts: false,
  reads: undefined,
})

/** A `?` at the end that belongs to no quoted text and to no pattern. */
function asksForHelp(tokens: readonly Token[]): boolean {
  const last = tokens.at(-1)
  if (last === undefined || !isPlain(last) || !last.text.endsWith('?')) return false
  return last.text === '?' || /^[a-z]+\?$/.test(last.text)
}

type Found = { readonly kind: 'row'; readonly row: CommandRow } | ParseError

/** Word by word: at each place, the rows whose next word begins so; an exact match excludes the others. */
function findRow(tokens: readonly Token[]): Found {
  let rows: readonly CommandRow[] = COMMANDS
  for (let place = 0; ; place++) {
    const only = rows.length === 1 ? rows[0] : undefined
    if (only !== undefined && place >= only.words.length) return { kind: 'row', row: only }
    const token = tokens[place]
    const next = wordsAt(rows, place, token?.text)
    if (token === undefined) return error(`unexpected end, expecting ${list(next)}`)
    const word = expand(token, next)
    if (typeof word !== 'string') return word
    rows = rows.filter(({ words }) => words[place] === word)
  }
}

/** The words that are possible at a place. A hidden word counts only if it was typed in full. */
function wordsAt(rows: readonly CommandRow[], place: number, typed: string | undefined): readonly string[] {
  const open = rows.filter(({ words, hidden }) => hidden !== true || words[place] === typed)
  return [...new Set(open.map(({ words }) => words[place] ?? ''))]
}

/** The word that the token is or abbreviates, or the error that lists the possible words. */
function expand(token: Token, words: readonly string[]): string | ParseError {
  const fitting = isPlain(token) ? fittingWords(token.text, words) : []
  const [only, another] = fitting
  if (only === undefined) return error(`unexpected ${shown(token)}, expecting ${list(words)}`)
  return another === undefined ? only : error(`ambiguous "${token.text}", could be ${list(fitting)}`)
}

function fittingWords(text: string, words: readonly string[]): readonly string[] {
  if (text === '') return []
  return words.includes(text) ? [text] : words.filter((word) => word.startsWith(text))
}

type ReadOptions = { readonly kind: 'values'; readonly values: Readonly<Record<string, ArgumentValue>> } | ParseError

function readOptions(row: CommandRow, words: readonly Token[], line: string): ReadOptions {
  const values: Record<string, ArgumentValue> = {}
  const left = new Set(row.options)
  let tokens = words
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]
    if (token === undefined) break
    const option = findOption(token, left)
    if ('kind' in option) return option
    left.delete(option)
    const key = option.key ?? option.word ?? ''
    if (values[key] !== undefined) return error(`unexpected ${shown(token)}, it was given already`)
    if (option.value === undefined) {
      values[key] = true
      continue
    }
    if (option.value === 'where') {
      const parsed = parseWhere(line, token.end)
      if (parsed.kind === 'wrong') return error(parsed.text)
      values[key] = parsed.where
      // An expression ends where its grammar ends; what follows it are words again.
      tokens = cut(line, parsed.end).tokens
      at = -1
      continue
    }
    const valueToken = option.word === undefined ? token : tokens[++at]
    if (valueToken === undefined) return error(`unexpected end, expecting ${VALUE_NAMES[option.value]}`)
    const read = parseValue(option.value, valueToken)
    if (typeof read === 'string') return error(read)
    values[key] = read.value
  }
  const missing = [...left].find(({ required }) => required === true)
  if (missing !== undefined) return error(`unexpected end, expecting ${nameOf(missing)}`)
  return { kind: 'values', values }
}

/** An option word; any other token is the value without a word, if the command has one and it was not given yet. */
function findOption(token: Token, left: ReadonlySet<Option>): Option | ParseError {
  const options = [...left]
  const named = options.filter(({ word }) => word !== undefined)
  const words = named.map(({ word }) => word ?? '')
  const alone = options.find(({ word, value }) => word === undefined && mayBe(value, token))
  const fitting = isPlain(token) ? fittingWords(token.text, words) : []
  const [only, another] = fitting
  if (only !== undefined && another === undefined) {
    return named.find(({ word }) => word === only) ?? error(`unexpected ${shown(token)}`)
  }
  if (another !== undefined) return error(`ambiguous "${token.text}", could be ${list(fitting)}`)
  if (alone !== undefined) return alone
  return error(`unexpected ${shown(token)}, expecting ${list([...words, 'the end'])}`)
}

/** A file is always quoted, seconds are digits. */
function mayBe(value: ArgumentKind | undefined, token: Token): boolean {
  if (value === 'file') return !isPlain(token)
  return value !== 'seconds' || (isPlain(token) && /^\d+$/.test(token.text))
}

const nameOf = ({ word, value }: Option): string => word ?? (value === undefined ? '' : VALUE_NAMES[value])

/** Whether the token can be a word of a command: it cannot if it is quoted. */
const isPlain = ({ quoted, named }: Token): boolean => !quoted && !named

const shown = ({ text, quoted }: Token): string => (quoted ? `text "${text}"` : `"${text}"`)

const list = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? 'the end') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`

/** One line of help. */
export interface HelpRow {
  readonly usage: string
  readonly help: string
}

/** The commands that the beginning of a line may become, and their options: the answer to `?`. */
export function helpFor(about: string): readonly HelpRow[] {
  const tokens = withoutJson(cut(about).tokens)
  const rows = rowsBeginning(tokens)
  const [only] = rows
  if (rows.length !== 1 || only === undefined) return rows.map(rowHelp)
  return [rowHelp(only), ...only.options.map((option) => ({ usage: `  ${optionUsage(option)}`, help: option.help }))]
}

const withoutJson = (tokens: readonly Token[]): readonly Token[] =>
  tokens[0]?.text === JSON_WORD ? tokens.slice(1) : tokens

function rowsBeginning(tokens: readonly Token[]): readonly CommandRow[] {
  let rows: readonly CommandRow[] = COMMANDS.filter(({ hidden }) => hidden !== true)
  for (const [place, { text }] of tokens.entries()) {
    const next = new Set(rows.map(({ words }) => words[place]).filter((word) => word !== undefined))
    if (next.size === 0) return rows
    const fitting = fittingWords(text, [...next])
    rows = rows.filter(({ words }) => words[place] === undefined || fitting.includes(words[place] ?? ''))
  }
  return rows
}

function rowHelp({ words, options, help }: CommandRow): HelpRow {
  return { usage: [...words, ...options.map(bracketed)].join(' '), help }
}

const bracketed = (option: Option): string =>
  option.required === true ? optionUsage(option) : `[${optionUsage(option)}]`

function optionUsage({ word, value }: Option): string {
  const shownValue = value === undefined ? undefined : VALUE_NAMES[value]
  return [word, shownValue].filter((part) => part !== undefined).join(' ')
}

/** What TAB offers for a line up to the cursor: the words, and the part of the line each would take the place of. */
export interface Completion {
  readonly words: readonly string[]
  readonly part: string
  /** A neighbor's name is possible here; the caller adds the names. */
  readonly names: boolean
}

export function completionsFor(line: string): Completion {
  const { tokens } = cut(line)
  const touching = tokens.at(-1)?.end === line.length && line !== '' && tokens.slice(-1).every(isPlain)
  const part = touching ? (tokens.at(-1)?.text ?? '') : ''
  const before = touching ? tokens.slice(0, -1) : tokens
  const atStart = before.length === 0
  const rows = rowsBeginning(withoutJson(before))
  const place = withoutJson(before).length
  const commandWords = rows.map(({ words }) => words[place]).filter((word) => word !== undefined)
  const row = rows.length === 1 ? rows[0] : undefined
  const [options, names] =
    row === undefined || place < row.words.length ? [[], false] : nextOptions(row, before.slice(-1)[0], before)
  const all = [...new Set([...commandWords, ...options, ...(atStart ? [JSON_WORD] : [])])]
  return { words: all.filter((word) => word.startsWith(part)), part, names }
}

/** The option words not yet used, or the values of the one just named. */
function nextOptions(row: CommandRow, last: Token | undefined, before: readonly Token[]): [readonly string[], boolean] {
  const named = row.options.find(({ word, value }) => word === last?.text && value !== undefined)
  if (named?.value !== undefined) return [fixedValues(named), named.value === 'protocol' || named.value === 'which']
  const used = new Set(before.map(({ text }) => text))
  const free = row.options.filter(({ word }) => word === undefined || !used.has(word))
  const words = free.flatMap((option) => (option.word === undefined ? fixedValues(option) : [option.word]))
  return [words, free.some(({ word, value }) => word === undefined && value === 'which')]
}

function fixedValues({ value }: Option): readonly string[] {
  if (value === 'table') return ['master4', 'master6', 'all']
  if (value === 'which') return ['all']
  return value === 'classes' ? ['all', 'off'] : []
}
