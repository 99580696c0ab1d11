/**
 * The pages for users, with the one that says how to install: the agent accepts every manifest without a problem, and knows
 * every command of `godwit`; every link leads to a file. Here commands are parsed; `interop/cases/docs.ts` runs them.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { NOT_RUN, pageCommands, programOf } from '../../interop/lab/pages.ts'
import { runCheck } from '../../src/check.ts'
import { parseArguments } from '../../src/cli/arguments.ts'
import { lineOf } from '../../src/cli/client.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { parseCommand } from '../../src/show/parse.ts'
import { type ApiObject, node, upsert } from '../support/objects.ts'
import { DEPLOY } from './support/crds.ts'

const FOLDER = join(DEPLOY, 'docs')
const INSTALL = '../README.md'
const pages = [...readdirSync(FOLDER).filter((name) => name.endsWith('.md')), INSTALL]
const read = (page: string): string => readFileSync(join(FOLDER, page), 'utf8')
const blocks = (page: string, language: string): string[] =>
  [...read(page).matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, text = '']) => text)

const all = (language: string) =>
  pages.flatMap((page) => blocks(page, language).map((text, index) => [`${page} ${index + 1}`, text] as const))

test('there are pages, manifests and commands', () => {
  expect(pages.length).toBeGreaterThan(5)
  expect(all('yaml').length).toBeGreaterThan(8)
  expect(all('sh').length).toBeGreaterThan(5)
})

/** The others are kustomizations and parts of objects. */
const manifests = all('yaml').filter(([where, text]) => !where.startsWith(INSTALL) || text.startsWith('apiVersion:'))

test.each(manifests)('manifests of %s are without a fault', (_, text) => {
  const documents = parseAllDocuments(text)
  expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
  const store = new ObjectStore()
  store.apply(documents.map((document) => upsert(document.toJS() as ApiObject)))
  expect(store.problems().map(({ text: words }) => words)).toEqual([])
})

const NODES = [
  ['worker-1', '10.0.0.11', '10.244.1.0/24'],
  ['worker-2', '10.0.0.12', '10.244.2.0/24'],
].map(([name = '', address = '', pods = '']) => ({
  ...node(name, { addresses: [address], podCIDRs: [pods], labels: { rack: '1', 'example.com/rack-as': '65001' } }),
}))

/** The examples of one page name each other. */
const isOfObjects = ([where]: (typeof manifests)[number]) => where.startsWith('objects.md')
const sets = [
  ...manifests.filter((one) => !isOfObjects(one)),
  [
    'objects.md',
    manifests
      .filter(isOfObjects)
      .map(([, text]) => text)
      .join('---\n'),
  ] as const,
]

test.each(sets)('`godwit check` has no error for %s, on a cluster of two nodes', async (_, text) => {
  const folder = await mkdtemp(join(tmpdir(), 'godwit-'))
  try {
    await writeFile(join(folder, 'page.yaml'), text)
    await writeFile(join(folder, 'nodes.yaml'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items: NODES }))
    const out = new PassThrough()
    const words = parseArguments(['check', folder])
    if (words.kind !== 'check') throw new Error(words.kind)
    const code = await runCheck(words.options, { out, err: out })
    expect([code, String(out.read())]).toEqual([0, expect.stringMatching(/\n2 nodes: 0 errors, \d+ warnings?\n$/)])
  } finally {
    await rm(folder, { recursive: true })
  }
})

/** As a shell cuts it, where it expands nothing: what it would expand stands in quotes. */
const cut = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, double, single, word]) => {
    expect(word ?? '', 'a shell expands it or cuts there').not.toMatch(/[~[\]{}()*?$`\\&|;<>!#'"]/)
    return double ?? single ?? word ?? ''
  })

const everyCommand = pageCommands()
const commands = everyCommand
  .filter((command) => programOf(command) === 'godwit')
  .map(({ page, line }) => [page, line] as const)

test('every other command is run by an interop case, or it is said why not', () => {
  const others = new Set(everyCommand.map(programOf).filter((program) => program !== 'godwit'))
  expect([...others].filter((program) => NOT_RUN[program] === undefined).sort()).toEqual(['ip', 'nft'])
  expect(Object.keys(NOT_RUN).filter((program) => !others.has(program))).toEqual([])
})

test('the page that installs has manifests and commands', () => {
  expect(manifests.filter(([where]) => where.startsWith(INSTALL)).length).toBeGreaterThan(2)
  expect(commands.filter(([page]) => page === 'README.md').length).toBeGreaterThan(3)
})

describe('commands', () => {
  test.each(commands)('%s: %s', (_, line) => {
    expect(line).toMatch(/^godwit /)
    const words = parseArguments(cut(line).slice(1))
    expect(words.kind).not.toBe('wrong')
    if (words.kind === 'command') expect(parseCommand(lineOf(words.words, 'text'))).toMatchObject({ kind: 'command' })
  })
})

test.each(pages)('every link of %s leads to a file', (page) => {
  const links = [...read(page).matchAll(/\]\((?!http)([^)#]+)[^)]*\)/g)].map(([, path]) => path as string)
  expect(links.filter((path) => !existsSync(join(dirname(join(FOLDER, page)), path)))).toEqual([])
})
