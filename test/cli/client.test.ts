import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, lineOf, runCommand } from '../../src/cli/client.ts'
import { historyPath, readHistory, writeHistory } from '../../src/cli/history.ts'
import type { Format } from '../../src/cli/option-values.ts'
import { print } from '../../src/cli/print.ts'
import { runShell } from '../../src/cli/shell.ts'
import { Control } from '../../src/edge/operate/control.ts'
import { FakeEngine } from '../support/fake-engine.ts'
import { type FakeView, fakeView } from '../support/fake-view.ts'

let folder = ''
let path = ''
let view: FakeView
let control: Control

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-'))
  path = join(folder, 'godwit.sock')
  view = fakeView()
  const engine = new FakeEngine(view, (effect) => control.perform(effect))
  control = new Control({ path, feed: engine.feed })
  await control.open()
})

afterAll(async () => {
  await control.close()
  await rm(folder, { recursive: true })
})

/** Runs a command and gives what it wrote, and its exit code. */
async function run(words: readonly string[], { format = 'text' as Format, socket = path } = {}) {
  const [out, err] = [new PassThrough(), new PassThrough()]
  const [stdout, stderr] = [textOf(out), textOf(err)]
  const exit = await runCommand(socket, words, { format, out, err })
  out.end()
  err.end()
  return { exit, stdout: await stdout, stderr: await stderr }
}

async function textOf(stream: PassThrough): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}

describe('a command', () => {
  test.each([
    ['prints rows without codes', ['show', 'route', 'table', 'master4', 'count'], /^4 of 4 routes .*\n$/, '', 0],
    ['may be cut short', ['s', 'i', 's'], /^Interface {2}State .*\nlo .*\neth0 .*\neth1 .*\n$/, '', 0],
    ['may be one word', ['show status'], /^BIRD 2.0.12\n.*\nDaemon is up and running\n$/s, '', 0],
    ['keeps empty rows', ['show', 'protocols', 'all', '*Mesh*'], /no next hop of this family\n\n$/, '', 0],
    ['keeps quotes', ['disable', 'Mesh_10_0_0_2', 'new cable'], /^Mesh_10_0_0_2: disabled\n$/, '', 0],
    ['helps', ['show', '?'], /^show status .*\nshow protocols .*/, '', 0],
    ['not found', ['show', 'route', '10.9.9.9'], /^$/, 'godwit: E_NOT_FOUND Network not found\n', 1],
    ['nobody by that name', ['restart', 'nope'], /^$/, 'godwit: E_NOT_FOUND No protocols match\n', 1],
    [
      'problems',
      ['configure', 'check'],
      /^Reading .*\nBGPPeer\/rack-1 spec.filters.*\n$/,
      'godwit: E_PROBLEMS 1 problem; everything else is in force\n',
      1,
    ],
    [
      'wrong words',
      ['show', 'rout', 'fo'],
      /^$/,
      'godwit: E_SYNTAX syntax error, unexpected end, expecting <ip|prefix>\n',
      2,
    ],
  ])('%s', async (_name, words, stdout, stderr, exit) => {
    expect(await run(words)).toEqual({ stdout: expect.stringMatching(stdout), stderr, exit })
  })

  test('acts with the message as it was typed', () => {
    expect(view.actions).toContainEqual({ kind: 'disable', pattern: 'Mesh_10_0_0_2', message: 'new cable' })
  })

  test('answers in JSON', async () => {
    const { stdout, exit } = await run(['show', 'route'], { format: 'json' })
    expect([JSON.parse(stdout).length, exit]).toEqual([6, 0])
  })

  test('answers in YAML, and by names', async () => {
    expect((await run(['show', 'summary'], { format: 'yaml' })).stdout).toMatch(/^- name: Global_10_0_0_9\n {2}peer: /)
    expect((await run(['show', 'protocols'], { format: 'name' })).stdout).toMatch(/^Global_10_0_0_9\nMesh_10_0_0_2\n/)
    expect((await run(['show', 'route'], { format: 'name' })).stdout).toMatch(
      /^0.0.0.0\/0\n10.1.0.0\/24\n10.2.0.0\/24\n/,
    )
  })

  test.each(['callers', 'explain 10.1.0.0/24', 'services', 'bfd sessions', 'nat', 'interfaces', 'memory'])(
    'names each item of show %s, where there is one',
    async (what) => {
      const words = ['show', ...what.split(' ')]
      const { stdout } = await run(words, { format: 'json' })
      const value = JSON.parse(stdout)
      const items = Array.isArray(value) ? value : (value.services ?? value.rules)
      expect(items.length).toBeGreaterThan(0)
      const names = (await run(words, { format: 'name' })).stdout.split('\n').filter((line) => line !== '')
      expect(names.length).toBeGreaterThan(0)
    },
  )

  test('of which nothing is found it is an empty list, the reason and exit 1, whatever was asked', async () => {
    for (const words of [
      ['protocols', 'nope'],
      ['route', '10.9.9.9'],
      ['route', 'protocol', 'nope'],
      ['filters', 'nope'],
      ['ospf', 'neighbors'],
    ]) {
      const { stdout, stderr, exit } = await run(['show', ...words], { format: 'json' })
      expect([JSON.parse(stdout), exit]).toEqual([[], 1])
      expect(stderr).toMatch(/^godwit: E_NOT_FOUND /)
    }
  })

  test.each([
    [
      'of an agent',
      (out: Writable, err: Writable) => runCommand(path, ['show', 'route'], { format: 'text', out, err }),
    ],
    ['of help', (out: Writable, err: Writable) => runCommand(path, ['help'], { format: 'text', out, err })],
    ['that is printed as a whole', (out: Writable, err: Writable) => print('text', { out, err })],
  ])('%s that cannot be written ends in one line', async (_, write) => {
    const out = new Writable({ write: (_chunk, _encoding, done) => done(new Error('ENOSPC: no space left on device')) })
    const err = new PassThrough()
    const stderr = textOf(err)
    expect(await write(out, err)).toBe(1)
    err.end()
    expect(await stderr).toBe('godwit: E_OUTPUT the answer cannot be written: ENOSPC: no space left on device\n')
  })

  test('printed as a whole keeps its exit code when the reader is gone', async () => {
    const [out, err] = [new PassThrough(), new PassThrough()]
    out.destroy()
    expect(await print('text', { out, err }, 1)).toBe(1)
    expect(err.readableLength).toBe(0)
  })

  test('that is not running is not found, and no syntax error', async () => {
    const stderr = 'godwit: E_NOT_FOUND There is no OSPF protocol running\n'
    expect(await run(['show', 'ospf'])).toEqual({ stdout: '', stderr, exit: 1 })
  })

  test('of help keeps to the width of the terminal', async () => {
    const out = Object.assign(new PassThrough(), { columns: 60 })
    const text = textOf(out)
    expect(await runCommand(path, ['help', 'show', 'route'], { format: 'text', out, err: new PassThrough() })).toBe(0)
    out.end()
    const lines = (await text).split('\n')
    expect(lines[0]).toMatch(/^show route \[for <ip\|prefix>\]/)
    expect(
      lines.slice(0, 8).filter((line) => line.startsWith('show') || line.startsWith('    [')).length,
    ).toBeGreaterThan(4)
    expect(lines.filter((line) => line.startsWith('    [') && line.length > 60)).toEqual([])
  })

  test('of help is that of no terminal where a terminal does not know its width', async () => {
    const helpAt = async (columns: number | undefined) => {
      const out = Object.assign(new PassThrough(), { ...(columns !== undefined && { columns }) })
      const text = textOf(out)
      await runCommand(path, ['help', 'show', 'route'], { format: 'text', out, err: new PassThrough() })
      out.end()
      return text
    }
    expect(await helpAt(0)).toBe(await helpAt(undefined))
  })

  test('is asked again and again until nobody reads on', async () => {
    const [out, err] = [new PassThrough(), new PassThrough()]
    let text = ''
    out.on('data', (chunk) => {
      text += String(chunk)
      if (text.split('Total:').length > 3) out.destroy()
    })
    expect(await runCommand(path, ['show', 'route', 'count'], { format: 'text', watch: 0.01, out, err })).toBe(0)
    expect(text.split('Total:').length).toBe(4)
  })

  test('of the program, asked again and again, ends when nobody reads on', async () => {
    const main = new URL('../../src/main.ts', import.meta.url).pathname
    const command = `timeout 15 "${process.execPath}" "${main}" -s "${path}" --watch=1 show status | head -1; echo "\${PIPESTATUS[0]}"`
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', command], { timeout: 20_000 })
    expect([stdout, stderr]).toEqual([expect.stringMatching(/^BIRD .*\n0\n$/), ''])
  })

  test('asked again and again leaves no listener behind', async () => {
    const [out, err] = [new PassThrough(), new PassThrough()]
    const counts: number[] = []
    let text = ''
    out.on('data', (chunk) => {
      text += String(chunk)
      counts.push(out.listenerCount('error'))
      if (text.split('Total:').length > 15) out.destroy()
    })
    await runCommand(path, ['show', 'route', 'count'], { format: 'text', watch: 0.001, out, err })
    expect(Math.max(...counts)).toBe(counts[0])
  })

  test('ends quietly when nobody reads on', async () => {
    const [out, err] = [new PassThrough(), new PassThrough()]
    out.destroy()
    expect(await runCommand(path, ['show', 'route'], { format: 'text', out, err })).toBe(0)
    expect(err.readableLength).toBe(0)
  })

  test('for programs: a value, or an error with a code', async () => {
    expect(await ask(path, 'show route count')).toEqual({
      ipv4: { prefixes: 3, paths: 4 },
      ipv6: { prefixes: 2, paths: 2 },
    })
    await expect(ask(path, 'show protocols nope')).rejects.toMatchObject({ code: 'E_NOT_FOUND' })
    await expect(ask(path, 'foo')).rejects.toMatchObject({ code: 'E_SYNTAX' })
  })
})

test.each([
  [['show', 'protocols', 'Mesh_*'], 'text', 'show protocols "Mesh_*"'],
  [['disable', 'x', 'two words'], 'text', 'disable x "two words"'],
  [['show protocols all'], 'wide', 'show protocols all'],
  [['show', '?'], 'text', 'show ?'],
  [['show', 'status'], 'json', 'json show status'],
  [['show', 'protocols'], 'name', 'json show protocols'],
  [['show', 'protocols'], 'wide', 'show protocols all'],
  [['show', 'status'], 'wide', 'show status'],
] as const)('%j as %s is sent as one line', (words, format, line) => {
  expect(lineOf(words, format)).toBe(line)
})

test('a word with both kinds of quotes is refused, and nobody is asked', async () => {
  const [out, err] = [new PassThrough(), new PassThrough()]
  const words = ['disable', 'tor', `it's "down" again`]
  expect(await runCommand('/nowhere/godwit.sock', words, { format: 'text', out, err })).toBe(2)
  expect(String(err.read())).toBe(
    `godwit: E_SYNTAX it's "down" again: a word with both kinds of quotes cannot be told from several words; leave out one kind\n`,
  )
})

describe('no agent', () => {
  test('no socket', async () => {
    const socket = join(folder, 'none.sock')
    const { exit, stderr } = await run(['show', 'status'], { socket })
    expect([exit, stderr]).toEqual([
      1,
      `godwit: E_NO_AGENT no agent runs here: there is no socket ${socket}; start one with "godwit agent", or name its socket with -s\n`,
    ])
  })

  test('a file that is no socket', async () => {
    const socket = join(folder, 'file')
    await writeFile(socket, '')
    expect(await run(['show', 'status'], { socket })).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining(`E_NO_AGENT no agent runs here: nothing listens on ${socket}`),
    })
  })

  test('a path no socket can have', async () => {
    const socket = `/${'x'.repeat(200)}`
    expect(await run(['show', 'status'], { socket })).toMatchObject({
      exit: 1,
      stderr: expect.stringMatching(/^godwit: E_NO_AGENT .*\n$/),
    })
  })

  test.each([
    ['something else answers', 'HTTP/1.1 400 Bad Request\r\n', 'E_GARBLED'],
    ['it hangs up at once', '', 'E_LOST'],
    ['it hangs up in the middle', '0001 BIRD 2.0.12 ready.\n1007-Table', 'E_LOST'],
    ['it takes no more', '8901 Too many connections\n', 'E_REFUSED'],
  ])('%s', async (_name, text, code) => {
    const socket = join(folder, 'other.sock')
    const server = createServer((one) =>
      one
        .on('error', () => {})
        .resume()
        .end(text),
    )
    await new Promise<void>((resolve) => server.listen(socket, resolve))
    const { exit, stderr } = await run(['show', 'status'], { socket })
    expect([exit, stderr]).toEqual([1, expect.stringMatching(new RegExp(`^godwit: ${code} .*\n$`))])
    await new Promise((resolve) => server.close(resolve))
  })
})

describe('the shell, fed from a pipe', () => {
  async function shell(input: string) {
    const [stdin, out, err] = [new PassThrough(), new PassThrough(), new PassThrough()]
    const [stdout, stderr] = [textOf(out), textOf(err)]
    stdin.end(input)
    const exit = await runShell(path, { input: stdin, out, err, history: join(folder, 'history') })
    out.end()
    err.end()
    return { exit, stdout: await stdout, stderr: await stderr }
  }

  test('answers every line, says no prompt, ends with the worst', async () => {
    expect(await shell('show route count\n\nfoo\nshow route 10.9.9.9\ns i s\n')).toEqual({
      exit: 2,
      stdout: expect.stringMatching(/^4 of 4 .*\n2 of 2 .*\nTotal: .*\nInterface .*\nlo .*\neth0 .*\neth1 .*\n$/),
      stderr: expect.stringMatching(/^godwit: E_SYNTAX .*\ngodwit: E_NOT_FOUND Network not found\n$/),
    })
  })

  test('ends at exit, and remembers what it was told', async () => {
    const { exit, stdout } = await shell('restrict\ndisable all\nexit\nshow status\n')
    expect([exit, stdout]).toEqual([1, 'Access restricted\n'])
  })

  test('ends when nobody reads on, whatever lines follow', async () => {
    const [stdin, out, err] = [new PassThrough(), new PassThrough(), new PassThrough()]
    out.once('data', () => out.destroy())
    let lines = 0
    const more = setInterval(() => {
      lines++
      stdin.write('show route count\n')
    }, 1)
    expect(await runShell(path, { input: stdin, out, err })).toBe(0)
    clearInterval(more)
    expect([lines > 0, err.readableLength]).toEqual([true, 0])
  })

  test('helps without an answer from the agent', async () => {
    expect((await shell('show ?\n')).stdout).toMatch(/^show status /)
  })
})

test('the shell takes what was typed before it was ready; Ctrl-C ends an answer, Ctrl-D then the shell: no errors', async () => {
  const socket = join(folder, 'slow.sock')
  const asked: string[] = []
  const [input, out, err] = [terminal(), terminal(), new PassThrough()]
  const server = createServer((client) => {
    client.setEncoding('utf8').write('0001 BIRD ready.\n')
    client.on('data', (line: string) => {
      asked.push(line)
      // The names for completion; what is asked then gets no answer.
      if (asked.length === 1) client.write('0000 \n')
      else input.write('\u0003\u0004')
    })
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  out.resume()
  input.write('show route\r')
  await runShell(socket, { input, out, err, history: join(folder, 'slow-history') })
  expect([asked, err.read()]).toEqual([['show protocols\n', 'show route\n'], null])
  await new Promise((resolve) => server.close(resolve))
})

const terminal = () => Object.assign(new PassThrough(), { isTTY: true })

describe('history', () => {
  test('stands in the state folder', () => {
    expect(historyPath({ XDG_STATE_HOME: '/state' })).toBe('/state/godwit/history')
    expect(historyPath({ XDG_STATE_HOME: 'relative' })).toMatch(/\/\.local\/state\/godwit\/history$/)
  })

  test('comes back newest first, and only its owner may read it', async () => {
    const file = join(folder, 'state', 'godwit', 'history')
    await writeHistory(file, ['newest', 'oldest'])
    expect(await readFile(file, 'utf8')).toBe('oldest\nnewest\n')
    expect(await readHistory(file)).toEqual(['newest', 'oldest'])
    expect(((await stat(file)).mode & 0o777).toString(8)).toBe('600')
    expect(await readHistory(join(folder, 'none'))).toEqual([])
  })
})

const noBirdcl = spawnSync('birdcl', ['-h']).error !== undefined

describe.skipIf(noBirdcl)('the real birdcl (Debian package bird2)', () => {
  /** birdcl runs beside us: our side must go on turning. */
  async function birdcl(...words: string[]) {
    const { spawn } = await import('node:child_process')
    const child = spawn('birdcl', ['-s', path, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += String(chunk)
    })
    return { exit: await ended, lines: text.split('\n') }
  }

  test.each([
    ['show status', 'Daemon is up and running'],
    ['show protocols', 'Name       Proto      Table      State  Since         Info'],
    ['show protocols all', '    Session:          external AS4'],
    ['show route', 'Table master6:'],
    ['show route all', '\tBGP.large_community: (65002, 1, 2)'],
    ['show route for 10.2.0.7 all', '\tGodwit.reason: only path'],
    ['show route count', 'Total: 6 of 6 routes for 5 networks in 2 tables'],
    ['show route export Global_10_0_0_9', '10.1.0.0/24          unicast [pod_cidr 01:30:07.907] * (200)'],
    ['show route filtered', '\tvia 10.0.0.9 on eth0'],
    ['show interfaces', 'lo up (index=1)'],
    ['show static', '10.1.0.0/24\tpod_cidr Node/worker-1'],
    ['show symbols table', 'master4 \trouting table'],
    ['show interfaces summary', 'Interface  State  IPv4 address       IPv6 address'],
    ['show memory', 'BIRD memory usage'],
    ['s p', 'Name       Proto      Table      State  Since         Info'],
    ['reload in Global_10_0_0_9', 'Global_10_0_0_9: reloading'],
    ['debug all off', 'BIRD 2.0.12 ready.'],
    ['echo off', 'BIRD 2.0.12 ready.'],
  ])('%s', async (line, expected) => {
    const { exit, lines } = await birdcl(...line.split(' '))
    expect(lines[0]).toBe('BIRD 2.0.12 ready.')
    expect(lines).toContain(expected)
    expect(lines.join('\n')).not.toContain('???')
    expect(exit).toBe(0)
  })

  test.each([
    [['-r', 'disable', 'all'], 'Access denied: this connection is read-only'],
    [['show', 'route', 'for', '10.9.9.9'], 'Network not found'],
    [['show', 'protocols', 'nope'], 'No protocols match'],
  ])('%j is refused', async (words, expected) => {
    const { exit, lines } = await birdcl(...words)
    expect([exit, lines]).toEqual([1, expect.arrayContaining([expected])])
  })
})
