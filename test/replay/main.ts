/**
 * `npm run replay FILE`: runs what an agent wrote before it ended with an internal error. 0: the same error came back;
 * 1: another one or none; 2: the file is no story.
 */
import { readFileSync } from 'node:fs'
import { readStory, type Story } from '../../src/edge/replay/story.ts'
import { play } from './play.ts'

const [path] = process.argv.slice(2)
if (path === undefined) {
  process.stderr.write('usage: npm run replay FILE\n')
  process.exit(2)
}

let story: Story
try {
  story = readStory(readFileSync(path, 'utf8'))
} catch (error) {
  process.stderr.write(`${path}: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(2)
}

const { head, base, turns, error } = story
const words = [
  `node ${head.options.node}, version ${head.options.version}, ${turns.length} inputs`,
  head.whole === false
    ? `the beginning is not kept: ${base.length} inputs stand for it, ${head.leftOut ?? 0} things had no room, and routes that were learned before are missing`
    : 'from the first input on',
  ...(error === undefined
    ? ['no error is told']
    : [`the agent failed (${error.during}): ${error.text.split('\n')[0]}`]),
]
const played = play(story)
const OUTCOMES = {
  same: `the same error came back at input ${played.turn}`,
  other: `another error came at input ${played.turn}`,
  none: 'no error came',
}
process.stdout.write(`${[...words, OUTCOMES[played.outcome], ...(played.error?.split('\n') ?? [])].join('\n')}\n`)
process.exitCode = played.outcome === 'same' ? 0 : 1
