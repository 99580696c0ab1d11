/** Every command in the documents is run by CI, by a test or by an interop case: this says by which. */
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const ROOT = new URL('../', import.meta.url).pathname
const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8')

/** Command in a `sh` block of README.md → a file and the words there that run it. */
const RUN_BY: Record<string, readonly [file: string, words: string]> = {
  'npm ci && npm run demo': ['.ci/run', 'npm run demo'],
  'npm ci && npm test': ['.ci/run', 'test'],
  'npm run check': ['.ci/run', 'npm run check'],
  'npm run fix': ['.ci/run', 'npm run fix'],
  'npm run test:all': ['.ci/run', 'test:all'],
  'npm run bench': ['.ci/run', 'npm run bench -- 20000'],
  'npm run bench:peers': ['.ci/run', 'npm run bench:peers -- --quick'],
  'npm run build': ['.ci/run', 'npm run build'],
  'npm run interop': ['.ci/run', 'npm run interop'],
  'npm run godwit -- agent --node worker-1 --source deploy/examples/rack': ['interop/cases/readme.ts', 'examples/rack'],
  'npm run godwit -- show protocols': ['interop/cases/readme.ts', "'show', 'protocols'"],
  'npm run godwit -- show route export Global_10_0_0_1': ['interop/cases/readme.ts', "'Global_10_0_0_1'"],
  'npm run godwit -- --json show route': ['interop/cases/readme.ts', "'--json'"],
}

const commands = [...read('README.md').matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) =>
  (block as string).split('\n').filter((line) => line !== ''),
)

test('the README has commands', () => {
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

test('every test the table of RFCs names is there', () => {
  const table = /## RFCs\n([\s\S]*?)\n## /.exec(read('README.md'))?.[1] ?? ''
  const paths = [...table.matchAll(/`(test\/[^`]+)`/g)].flatMap(([, path]) => spread(path as string))
  expect(paths.length).toBeGreaterThan(60)
  expect(paths.filter((path) => !existsSync(`${ROOT}${path}`))).toEqual([])
})

test('every file the README links to is there', () => {
  const links = [...read('README.md').matchAll(/\]\((?!http)([^)#]+)\)/g)].map(([, path]) => path as string)
  expect(links.length).toBeGreaterThan(3)
  expect(links.filter((path) => !existsSync(`${ROOT}${path}`))).toEqual([])
})
