import { expect, test } from 'vitest'
import { Lines } from '../../../src/edge/manifests/lines.ts'

const lineAt = (text: string, at: number): number => text.slice(0, at).split('\n').length

test.each(['', 'a', '\n', 'a\n\nbc\r\nd', '\n\na\n'])('%j: the line of each position, in any order', (text) => {
  for (let first = 0; first <= text.length + 1; first++) {
    for (let second = 0; second <= text.length + 1; second++) {
      const lines = new Lines(text)
      expect([lines.at(first), lines.at(second)]).toEqual([lineAt(text, first), lineAt(text, second)])
    }
  }
})
