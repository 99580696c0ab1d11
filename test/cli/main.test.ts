/** The command line as it is started: from source, and from the one file that ships. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const ROOT = new URL('../../', import.meta.url).pathname
const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { version: string }

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

const start = (file: string, words: readonly string[]): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(process.execPath, [`${ROOT}${file}`, ...words], { cwd: ROOT, timeout: 20_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err })
    })
  })

const folder = mkdtempSync(join(tmpdir(), 'godwit-main-'))
afterAll(() => rmSync(folder, { recursive: true }))

beforeAll(async () => {
  const { code, err } = await start('src/build.ts', [])
  if (code !== 0) throw new Error(err)
}, 60_000)

const BUNDLE = 'dist/godwit.mjs'

test.each(['src/main.ts', BUNDLE])('%s says its version', async (file) => {
  expect(await start(file, ['--version'])).toMatchObject({ code: 0, out: `godwit ${version}\n` })
})

test('what the agent does not need is not in the files that it reads, and each takes a byte for a character', () => {
  const texts = readdirSync(`${ROOT}dist`)
    .filter((name) => name.endsWith('.mjs'))
    .map((name) => ({ name, text: readFileSync(`${ROOT}dist/${name}`, 'utf8') }))
  expect(texts.filter(({ text }) => /[^\0-\xff]/.test(text)).map(({ name }) => name)).toEqual([])
  const read = new Set<string>()
  const follow = (name: string): void => {
    if (read.has(name)) return
    read.add(name)
    const { text = '' } = texts.find((one) => one.name === name) ?? {}
    for (const [, next = ''] of text.matchAll(/^(?:import|export)[^'"]*["']\.\/([^"']+)["']/gm)) follow(next)
  }
  const chunkOf = (words: string): string => texts.find(({ text }) => text.includes(words))?.name ?? ''
  // Loaded on demand: the agent itself, and the source of objects.
  for (const words of ['async function runAgent', 'async function openKubernetes']) follow(chunkOf(words))
  expect(read.size).toBeGreaterThan(5)
  const client = chunkOf('loadFromDefault')
  expect(client).not.toBe('')
  expect([...read]).not.toContain(client)
})

test('the notices of every package in the bundle ship with it', () => {
  const maps = readdirSync(`${ROOT}dist`).filter((name) => name.endsWith('.map'))
  const sources = maps.flatMap(
    (name) => (JSON.parse(readFileSync(`${ROOT}dist/${name}`, 'utf8')) as { sources: string[] }).sources,
  )
  const packages = sources.flatMap((source) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1] ?? [])
  const legal = readFileSync(`${ROOT}dist/LEGAL.txt`, 'utf8')
  expect(new Set(packages).size).toBeGreaterThan(10)
  for (const name of new Set([...packages, 'koffi'])) expect(legal).toMatch(new RegExp(`^${name} \\d+\\.`, 'm'))
  // Each with a text, or at least the name of its license.
  expect(legal).not.toMatch(/\(undefined\)/)
})

describe('words and exits', () => {
  test.each(['--help', '--version', 'completion bash', 'doctor', 'help', 'complete show'])(
    '%s ends in one line on a full disk, and in none when nobody reads',
    async (line) => {
      const shell = (redirection: string) =>
        new Promise<Ended>((resolve) => {
          const command = `"${process.execPath}" ${BUNDLE} -s /nonexistent.sock ${line} ${redirection}`
          execFile('bash', ['-o', 'pipefail', '-c', command], { cwd: ROOT, timeout: 20_000 }, (error, out, err) => {
            resolve({ code: error === null ? 0 : Number(error.code), out, err })
          })
        })
      const full = await shell('>/dev/full')
      expect(full).toMatchObject({ code: 1, err: expect.stringMatching(/^godwit: E_OUTPUT [^\n]+\n$/) })
      expect((await shell('| true')).err).toBe('')
    },
  )

  test('helps', async () => {
    expect((await start(BUNDLE, ['--help'])).out).toContain('godwit agent')
  })

  test.each([
    ['an unknown option', ['--jason', 'show', 'status']],
    ['an unknown option of the agent', ['agent', '--nod', 'worker-1']],
    ['a log level there is not', ['agent', '--log-level', 'loud']],
    ['a dataplane there is not', ['agent', '--dataplane', 'ebpf']],
    ['a table by a name', ['agent', '--table', 'pods']],
    ['a number no table has', ['agent', '--table', '4294967296']],
    ['the table of local addresses', ['agent', '--table', '255']],
    ['a speaker that nobody knows', ['agent', '--adopt', 'bird,exabgp']],
    ['a name of Object.prototype', ['agent', '--adopt', 'constructor']],
    ['the routes of people', ['agent', '--adopt', '4']],
    ['a speaker whose routes nobody writes', ['agent', '--adopt', 'bird', '--dataplane', 'none']],
    ['JSON of nothing', ['--json']],
    ['a socket without a path', ['-s']],
  ])('%s is wrong words: one line with a stable code, exit 2', async (_, words) => {
    const { code, err } = await start(BUNDLE, words)
    expect(code).toBe(2)
    expect(err).toMatch(/^godwit: E_USAGE [^\n]+\n$/)
  })

  test('a command without an agent says so, exit 1', async () => {
    const { code, err } = await start(BUNDLE, ['-s', join(folder, 'none.sock'), 'show', 'status'])
    expect(code).toBe(1)
    expect(err).toMatch(/^godwit: E_NO_AGENT [^\n]+\n$/)
  })

  test('an agent that cannot have its HTTP address says so and ends, exit 1', async () => {
    const words = ['agent', '--source', folder, '--control', join(folder, 'agent.sock'), '--http', 'nowhere']
    const { code, out } = await start(BUNDLE, [...words, '--dataplane', 'none'])
    expect(code).toBe(1)
    expect(out).toContain('--http nowhere: not HOST:PORT')
  })
})
