/**
 * The pages for users, with the one that says how to install: the agent accepts every manifest without a problem, and knows
 * every command of `godwit`; every link leads to a file. Here commands are parsed; `interop/cases/docs.ts` runs them.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { NOT_RUN, pageCommands, programOf } from '../../interop/lab/pages.ts'
import { parseArguments } from '../../src/cli/arguments.ts'
import { lineOf } from '../../src/cli/client.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { parseCommand } from '../../src/show/parse.ts'
import { type ApiObject, upsert } from '../support/objects.ts'
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
