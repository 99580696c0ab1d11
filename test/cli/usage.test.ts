/** Every word of `--help` is typed, and does what it says there: it is read as what it names. */
import { describe, expect, test } from 'vitest'
import { AGENT_OPTIONS, BFD_OPTIONS } from '../../src/cli/agent-arguments.ts'
import { parseArguments } from '../../src/cli/arguments.ts'
import { CHECK_OPTIONS } from '../../src/cli/check-arguments.ts'
import { lineOf } from '../../src/cli/client.ts'
import { USAGE } from '../../src/cli/usage.ts'
import { parseCommand } from '../../src/show/parse.ts'

/** What stands for a value → one. */
const VALUES: Readonly<Record<string, string>> = {
  NAME: 'one',
  'NAMESPACE/SERVICE': 'shop/web',
  PEER: 'Global_10_0_0_1',
  REASON: 'maintenance',
  IP: '192.0.2.10',
  PREFIX: '192.0.2.0/24',
  DIR: '/tmp/objects',
  FILE: '/tmp/file',
  OLD: '/tmp/before',
  PATH: '/tmp/socket',
  GROUP: 'projectcalico.org',
  'HOST:PORT': '127.0.0.1:9179',
  NUMBER: '100',
  'NUMBER,...': '100,101',
}
const valuesOf = (alternatives: string): string[] => alternatives.split('|').map((one) => VALUES[one] ?? one)

const [commands = '', options = ''] = USAGE.split('\nOptions of ')
/** `godwit agent` → all that stands there, on one line; what explains it stands further right. */
const synopses = commands
  .split(/\n {2}(?=godwit)/)
  .slice(1)
  .map((text) => text.replaceAll(/\n {36}[^\n]*/g, '').replaceAll(/\s+/g, ' '))
const synopsis = (command: string): string => synopses.find((text) => text.startsWith(`godwit ${command} `)) ?? ''

/** Each option of a command, with each of its values. */
const typedOptions = (command: string): string[] =>
  [...synopsis(command).matchAll(/\[(--[a-z-]+)(?: ([^\]]+))?\]/g)].flatMap(([, name = '', values]) =>
    values === undefined ? [name] : valuesOf(values).map((value) => `${name} ${value}`),
  )

describe.each([
  ['agent', '', AGENT_OPTIONS],
  ['bfd', '', BFD_OPTIONS],
  ['check', ' objects', CHECK_OPTIONS],
])('godwit %s', (command, rest, table) => {
  test.each(typedOptions(command))('%s', (typed) => {
    expect(parseArguments(`${command}${rest} ${typed}`.split(' '))).toMatchObject({ kind: command })
  })

  test('has no option beside', () => {
    const all = `${synopsis(command)}${options} --help`
    expect(Object.keys(table).filter((name) => !new RegExp(`--${name}\\b`).test(all))).toEqual([])
  })
})

test.each(['objects', 'objects.yaml', '-', 'kubernetes'])('godwit check %s', (source) => {
  expect(parseArguments(['check', source])).toMatchObject({ kind: 'check', options: { source } })
})

/** `protocols [all] [NAME]` alone, with one and with all; `[cancel|REASON]` with each. */
function typed(words: string): string[] {
  const [first = '', ...optional] = words.split(/ (?=\[)/)
  const alone = [...first.matchAll(/[^ ]+/g)].map(([word]) => word)
  const lines = (alone.at(-1) ?? '').includes('|')
    ? valuesOf(alone.pop() as string).map((value) => [...alone, value].join(' '))
    : [alone.map((word) => VALUES[word] ?? word).join(' ')]
  return optional.reduce((all, bracket) => {
    const values = bracket === '[...]' ? [] : valuesOf(bracket.slice(1, bracket.indexOf(']')))
    const rest = bracket.slice(bracket.indexOf(']') + 1).replaceAll(/[A-Z]+/g, (word) => VALUES[word] ?? word)
    return [
      ...all.map((line) => `${line}${rest}`),
      ...all.flatMap((line) => values.map((value) => `${line} ${value}${rest}`)),
    ]
  }, lines)
}

const asked = synopses
  .filter((text) => /^godwit (show|enable|leave) /.test(text))
  .flatMap((text) => {
    const [, verb, rest = ''] = /^godwit (show )?(.*)$/.exec(text.trim()) ?? []
    const parts = rest.split(/ \| |, /)
    // `enable | disable PEER`: what stands after the last is of all.
    const needsPeer = !rest.includes('explain') && / PEER/.test(rest) && verb === undefined
    return parts.flatMap((part) => {
      const bare = needsPeer && !/PEER|configure/.test(part) ? `${part} PEER` : part
      return typed(`${verb ?? ''}${bare}`)
    })
  })

test('the commands to a running agent are found', () => {
  for (const line of ['show status', 'show protocols all one', 'show explain shop/web', 'disable Global_10_0_0_1'])
    expect(asked).toContain(line)
  for (const line of ['reload in Global_10_0_0_1', 'leave cancel', 'down', 'graceful restart', 'configure check'])
    expect(asked).toContain(line)
})

test.each(asked)('godwit %s', (line) => {
  const read = parseArguments(line.split(' '))
  expect(read.kind).toBe('command')
  if (read.kind === 'command') expect(parseCommand(lineOf(read.words, 'text'))).toMatchObject({ kind: 'command' })
})

describe('options of commands', () => {
  const rows = [...options.matchAll(/^ +(?:(-\w), )?(--[a-z-]+)(\[=SECONDS\]| [^ \n]+)?/gm)]
  const lines = rows.flatMap(([, short, long = '', value = '']) =>
    [short, long]
      .filter((name) => name !== undefined)
      .flatMap((name) => {
        if (value.startsWith('[')) return [name, `${name}=5`]
        return long === '--socket' || long === '--output'
          ? valuesOf(value.trim()).map((one) => `${name} ${one}`)
          : [name]
      }),
  )

  test.each(lines)('%s', (line) => {
    for (const words of [`show status ${line}`, `${line} show status`])
      expect(parseArguments(words.split(' ')).kind).toBe('command')
  })

  test('there are some', () => expect(lines.length).toBeGreaterThan(10))
})

test.each(['doctor', 'completion bash', 'completion zsh', 'completion fish', '--version', '--help', ''])(
  'godwit %s',
  (line) => {
    expect(parseArguments(line.split(' ').filter(Boolean)).kind).not.toBe('wrong')
    expect(commands).toContain(line.split(' ')[0])
  },
)
