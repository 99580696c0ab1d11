import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { AGENT_OPTIONS, BFD_OPTIONS } from '../../src/cli/agent-arguments.ts'
import { parseArguments } from '../../src/cli/arguments.ts'
import { CHECK_OPTIONS } from '../../src/cli/check-arguments.ts'
import { complete, completionScript } from '../../src/cli/completion.ts'
import { SHELLS } from '../../src/cli/option-values.ts'

const NO_AGENT = '/nonexistent/godwit.sock'
const offered = (...typed: readonly string[]) => complete(NO_AGENT, typed)

test.each(['constructor', '__proto__', 'toString'])(
  'after %s nothing stands next, as after other unknown words',
  async (name) => {
    expect(await offered(name, '--')).toEqual(await offered('nonsense', '--'))
    expect(await offered(name, '')).toEqual(await offered('nonsense', ''))
  },
)

describe('words that may stand next', () => {
  test.each([
    [[''], ['show', 'enable', 'agent', 'doctor', 'completion']],
    [['sh'], ['show']],
    [
      ['show', 's'],
      ['status', 'summary', 'services', 'static', 'symbols'],
    ],
    [['show', 'route', 'no'], ['noexport']],
    [
      ['show', 'route', 'table', ''],
      ['master4', 'master6', 'all'],
    ],
    [['completion', 'z'], ['zsh']],
    [['--js'], ['--json']],
    [['show', 'status', '-o', 'y'], ['yaml']],
    [['show', '--json', 'rou'], ['route']],
    [['show', 'status', '-o', 'j'], ['json']],
    [['-o', 'json', 'show', 'rou'], ['route']],
    [['-s', '/tmp/s', 'show', 'rou'], ['route']],
    [['--socket=/tmp/s', 'show', 'rou'], ['route']],
    [['help', 'show', 'rou'], ['route']],
    [['agent', '--da'], ['--dataplane']],
    [
      ['agent', '--dataplane', ''],
      ['linux', 'none'],
    ],
    [['check', '--d'], ['--diff']],
    [['check', 'ku'], ['kubernetes']],
    [['bfd', '--c'], ['--control']],
  ])('%j', async (typed, words) => {
    expect(await offered(...typed)).toEqual(expect.arrayContaining(words))
  })

  test('none is blank, wherever TAB is typed', async () => {
    for (const line of [
      '',
      'show ',
      'show route ',
      'show route for ',
      'show protocols all ',
      'configure ',
      'reload in ',
    ]) {
      expect([line, await offered(...line.split(' '))]).toEqual([line, expect.not.arrayContaining([''])])
    }
  })

  test.each([[['-s', '']], [['agent', '--kubeconfig', '']], [['agent', '--node', 'x', '']]])(
    '%j: files',
    async (typed) => {
      expect(await offered(...typed)).toEqual([])
    },
  )

  test('the value of an option is never taken for a word of the command', async () => {
    for (const [command, options] of Object.entries({ agent: AGENT_OPTIONS, bfd: BFD_OPTIONS, check: CHECK_OPTIONS })) {
      for (const [name, { type }] of Object.entries<{ readonly type: string }>(options)) {
        const afterValue = await offered(command, `--${name}`, 'x', '--')
        const inPlace = await offered(command, `--${name}`, '--no')
        expect([command, name, afterValue.length > 0]).toEqual([command, name, true])
        if (type === 'string') expect([command, name, inPlace]).toEqual([command, name, []])
      }
    }
    expect(await offered('check', '--diff', 'before', 'ku')).toEqual(['kubernetes'])
  })

  test.each(['agent', 'bfd', 'check'])('%s has options of its own only', async (command) => {
    expect(await offered(command, '--')).not.toContain('--watch')
    expect(await offered(command, '--')).toContain('--help')
  })

  test('what stands behind the command is completed as what stands before it', async () => {
    expect(await offered('show', 'route', 'p')).toEqual(await offered('--json', 'show', 'route', 'p'))
  })
})

describe.each(SHELLS)('the script for %s', (shell) => {
  const isThere = spawnSync(shell, ['-c', ':']).error === undefined
  test.skipIf(!isThere)('is one that the shell reads', () => {
    const { status, stderr } = spawnSync(shell, ['-n'], { input: completionScript(shell), encoding: 'utf8' })
    expect([status, stderr]).toEqual([0, ''])
  })

  test('is asked for by its name', () => {
    expect(parseArguments(['completion', shell])).toEqual({ kind: 'completion', shell })
  })
})

test.skipIf(spawnSync('bash', ['-c', ':']).error !== undefined)('bash completes by it', () => {
  // A stand-in that answers as the command would.
  const script = `godwit() { printf 'route\\nroutes with blanks\\n'; }
${completionScript('bash')}
COMP_WORDS=(godwit show ro); COMP_CWORD=2; _godwit; printf '<%s>' "\${COMPREPLY[@]}"`
  expect(spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout).toBe('<route><routes with blanks>')
})
