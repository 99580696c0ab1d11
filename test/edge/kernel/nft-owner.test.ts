/** What `nft -i` prints, by a program that prints it at worse moments. */
import { expect, test } from 'vitest'
import { NftOwner } from '../../../src/edge/kernel/nft-owner.ts'

/** Repeats a word that it does not know, as nft does, and marks it only when the next line comes. */
const LATE = `
  let left = ''
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    if (/^(godwit|bad)/.test(line)) process.stderr.write(left + 'Error: syntax error\\n' + line + '\\n')
    if (line.startsWith('godwit')) left = '       ^\\n'
  })`

test('the mark under an unknown word that comes late is no error of the next script', async () => {
  const owner = new NftOwner({ enter: [process.execPath, '-e', LATE], lost: () => {} })
  try {
    expect(await owner.run('add table inet a')).toBeUndefined()
    expect(await owner.run('add table inet b')).toBeUndefined()
    expect(await owner.run('bad')).toBe('syntax error')
  } finally {
    owner.stop()
  }
})
