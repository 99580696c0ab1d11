import { describe, expect, test } from 'vitest'
import { type Arguments, parseArguments } from '../../src/cli/arguments.ts'

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
    ['doctor --json', { kind: 'doctor', socket: DEFAULT.socket, json: true }],
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
    ['doctor all', 'doctor takes no argument but --json'],
    ['completion', 'completion needs one of bash, zsh, fish'],
    ['completion csh', 'completion needs one of bash, zsh, fish'],
  ])('%s is wrong', (line, text) => {
    expect(parseArguments(line.split(' '))).toEqual({
      kind: 'wrong',
      text: `godwit: E_USAGE ${text}; see godwit --help`,
    })
  })
})
