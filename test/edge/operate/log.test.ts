import { expect, test } from 'vitest'
import { openLog } from '../../../src/edge/operate/log.ts'
import type { Tell } from '../../../src/engine/tell.ts'

function logged(level: 'debug' | 'info' | 'warn' | 'error' | 'silent', ...tells: readonly Tell[]): string[] {
  const lines: string[] = []
  const log = openLog({ level, to: { write: (line: string) => lines.push(line) } })
  for (const one of tells) log.tell(one)
  log.end()
  return lines
}

const up: Tell = {
  level: 'info',
  code: 'session-up',
  text: 'Mesh_1 is up',
  fields: { peer: 'Mesh_1', count: 2, on: true },
}

test('a Tell is one line with its fields', () => {
  const [line, ...rest] = logged('info', up)
  expect(rest).toEqual([])
  expect(line).toMatch(/^\{.*\}\n$/)
  const { time, ...fields } = JSON.parse(line ?? '')
  expect(fields).toEqual({ level: 'info', code: 'session-up', msg: 'Mesh_1 is up', peer: 'Mesh_1', count: 2, on: true })
  expect(new Date(time).toISOString()).toBe(time)
})

test.each([
  ['debug', ['debug', 'info', 'warn', 'error']],
  ['info', ['info', 'warn', 'error']],
  ['error', ['error']],
  ['silent', []],
] as const)('at %s these are written: %s', (level, written) => {
  const tells = (['debug', 'info', 'warn', 'error'] as const).map((one) => ({ ...up, level: one }))
  expect(logged(level, ...tells).map((line) => JSON.parse(line).level)).toEqual(written)
})

test('a field never takes the place of one of the line', () => {
  const [line] = logged('info', { ...up, fields: { code: 6, subcode: 2, level: 'x', msg: 'y', time: 0 } })
  expect(JSON.parse(line ?? '')).toMatchObject({
    code: 'session-up',
    level: 'info',
    msg: 'Mesh_1 is up',
    detailCode: 6,
    subcode: 2,
    detailLevel: 'x',
  })
})

test('text from a neighbor cannot break the line, and secrets are not written', () => {
  const [line, ...rest] = logged('info', { ...up, text: 'said "a\nb\u001b[31m"', fields: { password: 'hunter2' } })
  expect(rest).toEqual([])
  expect([...(line ?? '').trimEnd()].filter((character) => character < ' ')).toEqual([])
  expect(line).not.toContain('hunter2')
})
