/** Errors say what they are, in one line. */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { errorText } from '../../src/edge/error-text.ts'

const errorOf = (fails: () => unknown): unknown => {
  try {
    fails()
  } catch (error) {
    return error
  }
  throw new Error('nothing failed')
}

test.each<[string, () => unknown, string]>([
  ['the system', () => readFileSync('/nowhere/at all'), 'No such file or directory'],
  ['the system that has no words of ours', () => readFileSync('/'), 'Illegal operation on a directory'],
  ['what is not packed', () => gunzipSync(Buffer.from('{"items":[]}')), 'incorrect header check'],
  ['what is packed and cut off', () => gunzipSync(Buffer.from('1f8b0800', 'hex')), 'unexpected end of file'],
  ['JSON', () => JSON.parse('{'), "Expected property name or '}' in JSON at position 1 (line 1 column 2)"],
])('an error of %s', (_, fails, text) => {
  expect(errorText(errorOf(fails)).toLowerCase()).toBe(text.toLowerCase())
})
