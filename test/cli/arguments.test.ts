import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Arguments, parseArguments } from '../../src/cli/arguments.ts'
import { lineOf } from '../../src/cli/client.ts'
import { cut } from '../../src/show/tokens.ts'

const DEFAULT = { socket: '/run/godwit/godwit.sock', format: 'text', watch: undefined, pager: true }
const command = (words: readonly string[], options: object = {}) =>
  ({ kind: 'command', words, options: { ...DEFAULT, ...options } }) as Arguments

describe('options stand before or after the command', () => {
  test.each([
    ['show status', command(['show', 'status'])],
    ['--json show status', command(['show', 'status'], { format: 'json' })],
    ['show protocols --json', command(['show', 'protocols'], { format: 'json' })],
    ['show --output=yaml protocols', command(['show', 'protocols'], { format: 'yaml' })],
    ['show protocols -o wide all', command(['show', 'protocols', 'all'], { format: 'wide' })],
    ['show route -o name -s /tmp/s', command(['show', 'route'], { format: 'name', socket: '/tmp/s' })],
    ['show summary --watch', command(['show', 'summary'], { watch: 2 })],
    ['show summary --watch=0.5 --no-pager', command(['show', 'summary'], { watch: 0.5, pager: false })],
    ['disable x -- --json', command(['disable', 'x', '--json'])],
    ['doctor --json', { kind: 'doctor', socket: DEFAULT.socket, format: 'json' }],
    ['-o yaml doctor', { kind: 'doctor', socket: DEFAULT.socket, format: 'yaml' }],
    ['show status -ojson', command(['show', 'status'], { format: 'json' })],
    ['-s/tmp/s show summary -w', command(['show', 'summary'], { socket: '/tmp/s', watch: 2 })],
    ['completion fish', { kind: 'completion', shell: 'fish' }],
    ['show status --help', { kind: 'help' }],
    ['', { kind: 'shell', socket: DEFAULT.socket }],
  ])('%s', (line, expected) => {
    expect(parseArguments(line.split(' ').filter(Boolean))).toEqual(expected)
  })

  test.each([
    ['show status --jason', 'unknown option --jason'],
    ['show status -o xml', '-o xml: one of text, wide, json, yaml, name'],
    ['show status --watch=0', '--watch=0: seconds from 0.1 to 86400'],
    ['show status -s', '-s needs the path of a control socket'],
    ['--json', '-o json needs a command'],
    ['doctor all', 'doctor takes options only'],
    ['doctor --watch', 'doctor has no --watch'],
    ['check -s /tmp/s objects', 'unknown option -s'],
    ['agent --jason', 'unknown option --jason'],
    ['bfd --jason', 'unknown option --jason'],
    ['check -o name .', '-o name: one of text, wide, json, yaml'],
    ['completion', 'completion needs one of bash, zsh, fish'],
    ['completion csh', 'completion needs one of bash, zsh, fish'],
  ])('%s is wrong', (line, text) => {
    expect(parseArguments(line.split(' '))).toEqual({
      kind: 'wrong',
      text: `godwit: E_USAGE ${text}; see godwit --help`,
    })
  })
})

test.each([
  ['check objects -o yaml', 'yaml'],
  ['-o yaml check objects', 'yaml'],
  ['--json check objects', 'json'],
  ['check --json objects', 'json'],
  ['check -ojson objects', 'json'],
  ['check objects', 'text'],
])('options of check too: %s', (line, format) => {
  expect(parseArguments(line.split(' '))).toMatchObject({ kind: 'check', options: { source: 'objects', format } })
})

test.each(['agent --node=', 'agent --source kubernetes --namespace=', 'bfd --control=', 'check objects --diff='])(
  '%s: a variable is not set, and nothing runs without it',
  (line) => {
    const option = /(--[a-z]+)=/.exec(line)?.[1]
    const text = `godwit: E_USAGE ${option} needs a value; see godwit --help`
    expect(parseArguments(line.split(' '))).toEqual({ kind: 'wrong', text })
  },
)

describe('the socket is', () => {
  afterEach(() => vi.unstubAllEnvs())
  test.each([
    ['/tmp/s', '/tmp/s'],
    ['', DEFAULT.socket],
  ])('where GODWIT_SOCKET is %j: %s', (value, socket) => {
    vi.stubEnv('GODWIT_SOCKET', value)
    expect(parseArguments(['show', 'status'])).toEqual(command(['show', 'status'], { socket }))
  })
})

test.each(['--help agent', 'agent --help', 'check -h', '-h bfd'])('%s helps', (line) => {
  expect(parseArguments(line.split(' '))).toEqual({ kind: 'help' })
})

test.each(["don't", 'it said "no route" twice', '"a" or "b"', "'a' or 'b'", '"', '"a b"', 'plain'])(
  'a word of the shell is one word of the line, whatever quotes it has: %s',
  (word) => {
    const [disable, name, reason, ...others] = cut(lineOf(['disable', 'tor', word], 'text')).tokens
    expect([disable?.text, name?.text, others]).toEqual(['disable', 'tor', []])
    expect([word, word.slice(1, -1)]).toContain(reason?.text)
  },
)

test('a quoted word keeps its quotes, an expression gets none', () => {
  expect(lineOf(['enable', '"Glob*"'], 'text')).toBe('enable "Glob*"')
  expect(lineOf(['enable', 'Glob*'], 'text')).toBe('enable "Glob*"')
  expect(lineOf(['disable', 'all', 'two words'], 'text')).toBe('disable all "two words"')
  expect(lineOf(['show', 'route', 'where', 'bgp_path ~ [= * 65020 =]', 'all'], 'text')).toBe(
    'show route where bgp_path ~ [= * 65020 =] all',
  )
  for (const where of ['w', 'wh', 'where'])
    expect(lineOf(['sh', 'ro', where, 'net ~ [10.0.0.0/8+]'], 'text')).toBe(`sh ro ${where} net ~ [10.0.0.0/8+]`)
  // Neighbors may have such names.
  for (const name of ['w', 'where'])
    expect(lineOf(['disable', name, 'two words'], 'text')).toBe(`disable ${name} "two words"`)
})
