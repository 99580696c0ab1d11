/** Every command answers in JSON as it does in text: with a value that parses, and refused where the text is refused. */
import { describe, expect, test } from 'vitest'
import { answer, newClient } from '../../src/show/answer.ts'
import { COMMANDS, type Option } from '../../src/show/commands.ts'
import type { ArgumentKind } from '../../src/show/option-values.ts'
import { CODE, isRefusal, isSyntaxError } from '../../src/show/reply.ts'
import type { View } from '../../src/show/view.ts'
import { fakeView } from '../support/fake-view.ts'

/** Of each kind of value: what is there, and what nobody knows. */
const VALUES: Readonly<Record<ArgumentKind, readonly string[]>> = {
  prefix: ['10.2.0.0/24', '10.9.9.9'],
  protocol: ['Global_10_0_0_9', 'pod_cidr', 'nope'],
  which: ['Global_10_0_0_9', 'Mesh_10_0_0_2', '"Z*"', 'nope', 'all'],
  table: ['master4', 'nope'],
  text: ['nope'],
  file: ['"bird.conf"'],
  seconds: ['5'],
  classes: ['all', 'off'],
  where: ['net.len = 24', 'net.len = 99'],
  subject: ['10.2.0.7', 'shop/web', 'shop/nope'],
}

const written = ({ word = '', value }: Option): readonly string[] =>
  (value === undefined ? [''] : VALUES[value]).map((text) => `${word} ${text}`.trim())

/** Each command with what it needs: alone, and with each of its options. */
const lines = COMMANDS.filter(({ words }) => words[0] !== 'help').flatMap(({ words, options }) => {
  const needed = options.filter(({ required }) => required === true).map((option) => written(option))
  const [first = [''], second = ['']] = needed
  const bases = first.flatMap((one) => second.map((two) => [...words, one, two].join(' ').trim()))
  const more = options.filter(({ required }) => required !== true).flatMap(written)
  return [...bases, ...more.map((text) => `${bases[0]} ${text}`)]
})

/** A client ends with 0, 1 or 2, and reads `json`. */
function replyOf(line: string, view: View) {
  const rows = [...answer(line, view, newClient())].filter((row) => row !== undefined)
  const json = rows.flatMap(({ code, text }) => (code === CODE.json ? [text] : [])).join('')
  const exit = rows.some(({ code }) => isSyntaxError(code)) ? 2 : rows.some(({ code }) => isRefusal(code)) ? 1 : 0
  return { json, exit, rest: rows.filter(({ code, text }) => code !== CODE.json && text !== '') }
}

/** Commands about the connection itself say in JSON that they have no such form. */
const isOfConnection = (line: string) => /^(restrict|echo|timeformat)/.test(line)

describe.each([
  ['all is well', () => fakeView(undefined, { problems: () => [] })],
  ['an object is wrong', () => fakeView()],
  ['it stays', () => fakeView(undefined, { stay: () => false, leave: () => false })],
])('%s', (_, view) => {
  test.each(lines)('%s', (line) => {
    const [text, json] = [replyOf(line, view()), replyOf(`json ${line}`, view())]
    if (!isOfConnection(line)) expect(json.exit).toBe(text.exit)
    if (json.exit === 2 && json.json === '') return
    expect(() => JSON.parse(json.json)).not.toThrow()
    // Nothing but a refusal stands beside the value, where a program would take it for a part of it.
    if (json.exit === 0) expect(json.rest).toEqual([])
  })
})

test('a command about the whole agent answers as those about neighbors do', () => {
  const view = fakeView()
  expect(JSON.parse(replyOf('json leave "new kernel"', view).json)).toEqual([
    { name: view.status().node, outcome: 'done', reason: null, message: 'Leaving: new kernel' },
  ])
  expect(replyOf('json configure undo', view)).toMatchObject({ json: '[]', exit: 1 })
})
