/** Every command in these documents is run by CI, by a test or by an interop case: this says by which. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = new URL('../', import.meta.url).pathname
const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8')

/** What a reader of the project opens, beside the pages of deploy/, whose commands `test/deploy/docs.test.ts` parses. */
const DOCUMENTS = ['README.md', 'interop/RFCS.md', 'test/bench/PEERS.md', 'test/TRIED.md']

/** Command in a `sh` block of these → a file and the words there that run it. */
const RUN_BY: Record<string, readonly [file: string, words: string]> = {
  'npm ci && npm run demo': ['.ci/run', 'npm run demo'],
  'npm ci && npm test': ['.ci/run', 'test'],
  'npm run check': ['.ci/run', 'npm run check'],
  'npm run fix': ['.ci/run', 'npm run fix'],
  'npm run test:all': ['.ci/run', 'test:all'],
  'npm run bench': ['.ci/run', 'npm run bench -- 20000'],
  'npm run bench:peers': ['.ci/run', 'npm run bench:peers -- --quick'],
  'npm run sim:large': ['.ci/run', 'npm run sim:large -- --quick'],
  'npm run fuzz -- --cases 10000000 --seed 1': ['.ci/run', 'npm run fuzz -- --cases'],
  'npm run attack': ['.ci/run', 'npm run attack -- --quick'],
  'npm run soak': ['.ci/run', 'npm run soak -- --days 1'],
  'npm run soak -- --days 0': ['.ci/run', 'npm run soak -- --days'],
  'npm run soak -- --fresh': ['.ci/run', 'npm run soak -- --fresh'],
  'npm run work': ['.ci/run', 'npm run work -- 0.1'],
  'npm run build': ['.ci/run', 'npm run build'],
  'npm run interop': ['.ci/run', 'npm run interop'],
  'npm run godwit -- agent --node worker-1 --source deploy/examples/rack': ['interop/cases/readme.ts', 'examples/rack'],
  'npm run godwit -- show protocols': ['interop/cases/readme.ts', "'show', 'protocols'"],
  'npm run godwit -- show route export Global_10_0_0_1': ['interop/cases/readme.ts', "'Global_10_0_0_1'"],
  'npm run godwit -- --json show route': ['interop/cases/readme.ts', "'--json'"],
}

const commands = DOCUMENTS.flatMap((path) =>
  [...read(path).matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) =>
    (block as string).split('\n').filter((line) => line !== ''),
  ),
)

test('the documents have commands', () => {
  expect(commands.length).toBeGreaterThan(5)
})

test.each(commands)('%s', (command) => {
  const [file, words] = RUN_BY[command] ?? ['', '']
  expect(file, 'no test or CI step runs it').not.toBe('')
  expect(read(file)).toContain(words)
})

/** `test/bgp/{a,b}.test.ts` → both. */
const spread = (path: string): string[] => {
  const [, before, list, after] = /^(.*)\{([^}]*)\}(.*)$/.exec(path) ?? []
  return list === undefined ? [path] : list.split(',').map((name) => `${before}${name}${after}`)
}

const table = /## RFCs\n([\s\S]*)$/.exec(read('interop/RFCS.md'))?.[1] ?? ''

test('every test the table of RFCs names is there', () => {
  const paths = [...table.matchAll(/`(test\/[^`]+)`/g)].flatMap(([, path]) => spread(path as string))
  expect(paths.length).toBeGreaterThan(60)
  expect(paths.filter((path) => !existsSync(`${ROOT}${path}`))).toEqual([])
})

describe('of each RFC that the speaker carries out', () => {
  const rows = table.split('\n').flatMap((line) => {
    const [, rfc, cell] = /^\| (\d{4})[^|]*\|[^|]*\|(.*)\|$/.exec(line) ?? []
    if (rfc === undefined || cell === undefined) return []
    const [tests = '', interop = ''] = cell.split('interop')
    const words = [...interop.matchAll(/`([^`]+)`/g)].map(([, word]) => word as string)
    return [{ rfc, tests, words }]
  })
  /** Names of interop cases, as they stand in the code. */
  const names = readdirSync(`${ROOT}interop/cases`).flatMap((file) =>
    [...read(`interop/cases/${file}`).matchAll(/\bname: ['`]([^'`]+)['`]/g)].map(([, name]) => name as string),
  )
  const SPEAKER = '4271 7606 4760 5492 6793 2918 7313 8654 1997 4360 8092 8326 4456 7911 8950 9003 9072 9234 9687 8212'
  /** What no router of the lab does within the time that a case may take. */
  const NOT_IN_THE_LAB: Readonly<Record<string, string>> = { 9687: 'eight minutes in which it reads nothing' }

  test.each(SPEAKER.split(' '))('RFC %s: a row with tests, and interop cases', (rfc) => {
    const row = rows.find((one) => one.rfc === rfc)
    expect(row?.tests).toContain('`test/')
    if (!(rfc in NOT_IN_THE_LAB)) expect(row?.words.length).toBeGreaterThan(0)
  })

  test('every interop case that a row names is there', () => {
    const missing = rows.flatMap(({ rfc, words }) =>
      words.filter((word) => !names.some((name) => name.includes(word))).map((word) => `RFC ${rfc}: ${word}`),
    )
    expect(missing).toEqual([])
  })
})

test.each([...DOCUMENTS, 'src/ARCHITECTURE.md'])('every file that %s links to is there', (document) => {
  const links = [...read(document).matchAll(/\]\((?!http)([^)#]+)\)/g)].map(([, path]) => path as string)
  expect(links.filter((path) => !existsSync(join(ROOT, dirname(document), path)))).toEqual([])
})
