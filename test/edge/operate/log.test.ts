import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openLog } from '../../../src/edge/operate/log.ts'
import type { LogLine } from '../../../src/engine/log-line.ts'

function logged(level: 'debug' | 'info' | 'warn' | 'error' | 'silent', ...given: readonly LogLine[]): string[] {
  const lines: string[] = []
  const log = openLog({ level, to: { write: (line: string) => lines.push(line) } })
  for (const one of given) log.write(one)
  log.end()
  return lines
}

const up: LogLine = {
  level: 'info',
  code: 'session-up',
  text: 'Mesh_1 is up',
  fields: { peer: 'Mesh_1', count: 2, on: true },
}

test('a LogLine is one line with its fields', () => {
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
  const lines = (['debug', 'info', 'warn', 'error'] as const).map((one) => ({ ...up, level: one }))
  expect(logged(level, ...lines).map((line) => JSON.parse(line).level)).toEqual(written)
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

describe('a process that ends its log', () => {
  const CHILD = new URL('../../support/log-child.ts', import.meta.url).pathname

  function logsInAChild(lines: number, length: number, stdout: 'pipe' | number = 'pipe'): ChildProcess {
    const words = [CHILD, String(lines), String(length)]
    const child = spawn(process.execPath, words, { stdio: ['ignore', stdout, 'pipe'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    return child
  }

  test('has written every line that was queued, and none that came later', async () => {
    const child = logsInAChild(500, 300)
    const [written, [code]] = await Promise.all([text(child.stdout as Readable), once(child, 'exit')])
    const codes = written
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).code)
    expect([code, codes.toSorted()]).toEqual([0, Array.from({ length: 500 }, (_, at) => `line-${at}`).toSorted()])
  })

  test('has told a reader that is slow everything, in order', async () => {
    const child = spawn(process.execPath, [CHILD, '3000', '300', 'later'], { stdio: ['pipe', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    let written = ''
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      written += chunk
      if (written.endsWith('\n') && written.includes('"line-2999"')) child.stdin.end()
    }
    const codes = written
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).code)
    expect(codes).toEqual(Array.from({ length: 3000 }, (_, at) => `line-${at}`))
  })

  test.each([3, 500])('ends although its reader is gone: %i lines', async (lines) => {
    const child = logsInAChild(lines, 300)
    child.stdout?.destroy()
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  test('ends although the disk is full', async () => {
    const child = logsInAChild(3, 300, openSync('/dev/full', 'w'))
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  test('ends although its reader does not read', async () => {
    const child = logsInAChild(500, 1_000)
    child.stdout?.pause()
    expect(await once(child, 'exit')).toEqual([0, null])
  })
})
