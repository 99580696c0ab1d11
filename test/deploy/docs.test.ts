/** The pages for users: every manifest is taken by the agent without a word, every command is one it knows, every link leads somewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { parseArguments } from '../../src/cli/arguments.ts'
import { lineOf } from '../../src/cli/client.ts'
import { ObjectStore } from '../../src/cluster/store.ts'
import { parseCommand } from '../../src/show/parse.ts'
import { type ApiObject, upsert } from '../support/objects.ts'
import { DEPLOY } from './support/crds.ts'

const FOLDER = join(DEPLOY, 'docs')
const pages = readdirSync(FOLDER).filter((name) => name.endsWith('.md'))
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

test.each(all('yaml'))('manifests of %s are without a fault', (_, text) => {
  const documents = parseAllDocuments(text)
  expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
  const store = new ObjectStore()
  store.apply(documents.map((document) => upsert(document.toJS() as ApiObject)))
  expect(store.problems().map(({ text: words }) => words)).toEqual([])
})

/** As a shell cuts it, where all quotes are double ones; square brackets and the like are not expanded. */
const cut = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? '')

const commands = all('sh').flatMap(([where, text]) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => [where, line] as const),
)

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
