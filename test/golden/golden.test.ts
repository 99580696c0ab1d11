/** Stories that were kept: the same inputs must lead to the same effects. GODWIT_GOLDEN=write keeps what is so today. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { replay } from './story.ts'

const FOLDER = new URL('stories/', import.meta.url)
const STORIES = readdirSync(FOLDER).filter((name) => name.endsWith('.jsonl'))

test.each(STORIES)('%s', (name) => {
  const file = new URL(name, FOLDER)
  const kept = readFileSync(file, 'utf8')
  const today = replay(kept)
  if (process.env.GODWIT_GOLDEN === 'write') writeFileSync(file, today)
  else expect(today).toBe(kept)
})
