/** The values of options: their kinds, their names in help and errors, and how each is read. */
import type { Family } from '../base/family.ts'
import { lookUp } from '../base/look-up.ts'
import { hostPrefix, type Prefix, parsePrefix } from '../base/prefix.ts'
import type { Which } from './command.ts'
import { isPattern } from './pattern.ts'
import { parseSubject, type Subject } from './subject.ts'
import type { Token } from './tokens.ts'
import type { Where } from './where/parse.ts'

export type ArgumentKind =
  | 'prefix'
  | 'protocol'
  | 'which'
  | 'table'
  | 'text'
  | 'file'
  | 'seconds'
  | 'classes'
  | 'where'
  | 'subject'

/** How a value is shown in help and errors. */
export const VALUE_NAMES: Readonly<Record<ArgumentKind, string>> = {
  prefix: '<ip|prefix>',
  protocol: '<protocol>',
  which: '<protocol>|"<pattern>"|all',
  table: 'master4|master6|all',
  text: '"<text>"',
  file: '"<file>"',
  seconds: '<seconds>',
  classes: 'all|off|{ <class>, ... }',
  where: '<expression>',
  subject: '<ip|prefix|namespace/service>',
}

/** A value, read. `true`: the word of an option without a value. */
export type ArgumentValue = string | true | Prefix | Family | Which | Where | Subject | undefined

const TABLE_FAMILIES: Readonly<Record<string, Family | 'all'>> = { master4: 'ipv4', master6: 'ipv6', all: 'all' }

/** Reads one value, or returns the error. An expression is read by `where/parse.ts`. */
export function parseValue(kind: ArgumentKind, token: Token): { readonly value: ArgumentValue } | string {
  const { text } = token
  switch (kind) {
    case 'prefix':
      return parsePrefixValue(text)
    case 'which':
      return { value: parseWhich(token) }
    case 'table':
      return parseTable(text)
    case 'subject': {
      const subject = parseSubject(text)
      return subject === undefined ? `unexpected "${text}", expecting ${VALUE_NAMES.subject}` : { value: subject }
    }
    case 'protocol':
    case 'text':
    case 'file':
    case 'seconds':
    case 'classes':
    case 'where':
      return { value: text }
  }
}

function parseTable(text: string): { readonly value: Family | 'all' } | string {
  const value = lookUp(TABLE_FAMILIES, text)
  return value === undefined ? `unexpected "${text}", expecting master4, master6 or all` : { value }
}

function parsePrefixValue(text: string): { readonly value: Prefix } | string {
  const value = text.includes('/') ? parsePrefix(text) : hostPrefix(text)
  return value === undefined ? `unexpected "${text}", expecting an IP address or prefix` : { value }
}

/** As in birdc a quoted text is a pattern; an unquoted one with a star in it can mean nothing else. */
function parseWhich({ text, quoted, named }: Token): Which {
  if (named) return { kind: 'name', text }
  if (!quoted && text === 'all') return { kind: 'pattern', text: '*' }
  return quoted || isPattern(text) ? { kind: 'pattern', text } : { kind: 'name', text }
}
