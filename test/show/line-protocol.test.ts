import { describe, expect, test } from 'vitest'
import { decodeReply, encodeReply, endsReply } from '../../src/show/line-protocol.ts'
import { frame, type Row } from '../../src/show/reply.ts'

const written = (rows: readonly Row[]) =>
  [...frame(rows)].map((line) => (line === undefined ? '' : encodeReply(line))).join('')
const row = (code: number, text: string): Row => ({ code, text })

describe('framing', () => {
  test.each([
    ['one line', [row(13, 'Daemon is up')], '0013 Daemon is up\n'],
    ['nothing to say', [], '0000 \n'],
    [
      'the code is written once in a run',
      [row(2002, 'Name'), row(1002, 'a'), row(1002, 'b'), row(0, '')],
      '2002-Name\n1002-a\n b\n0000 \n',
    ],
    [
      'and again after another',
      [row(1007, 'a'), row(1008, '\tb'), row(1007, 'c'), row(0, '')],
      '1007-a\n1008-\tb\n1007-c\n0000 \n',
    ],
    ['the last line has its code even in a run', [row(8002, 'a'), row(8002, 'b')], '8002-a\n8002 b\n'],
    ['an empty line', [row(1006, 'a'), row(1006, ''), row(0, '')], '1006-a\n \n0000 \n'],
  ])('%s', (_name, rows, text) => {
    expect(written(rows)).toBe(text)
  })

  test('text of others cannot end a line, nor reach the terminal', () => {
    expect(written([row(1002, 'x\r\n0000 \u001b[2J\u009b\u2028y\tz')])).toBe('1002 x??0000 ?[2J??y\tz\n')
  })
})

describe('reading', () => {
  test.each([
    ['2002-Name', 0, { kind: 'line', code: 2002, text: 'Name', last: false }],
    [' more', 1002, { kind: 'line', code: 1002, text: 'more', last: false }],
    ['0000 ', 1002, { kind: 'line', code: 0, text: '', last: true }],
    ['+Mesh: up', 0, { kind: 'spontaneous', text: 'Mesh: up' }],
    ['HTTP/1.1 400', 0, { kind: 'garbled', text: 'HTTP/1.1 400' }],
    ['', 0, { kind: 'garbled', text: '' }],
  ])('%s', (line, before, expected) => {
    expect(decodeReply(line, before)).toEqual(expected)
  })

  test.each([
    ['0000 \n', true],
    ['1002-a\n0000 \n', true],
    ['0001 BIRD 2.0.12 ready.\n', true],
    ['1002-a\n', false],
    ['1002-a\n 0000 \n', false],
    ['', false],
    ['0000 ', false],
  ])('%j is complete: %s', (text, complete) => {
    expect(endsReply(text)).toBe(complete)
  })
})
