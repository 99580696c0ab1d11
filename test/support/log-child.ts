/**
 * A process that logs `argv[2]` lines of `argv[3]` characters in one turn, and ends its log in the same turn, or with
 * `later` when its stdin has ended.
 */
import { openLog } from '../../src/edge/operate/log.ts'

const log = openLog({ level: 'info' })
const fields = { filler: 'x'.repeat(Number(process.argv[3])) }
for (let at = 0; at < Number(process.argv[2]); at++)
  log.write({ level: 'info', code: `line-${at}`, text: `line ${at}`, fields })
if (process.argv[4] === 'later') process.stdin.resume().once('end', () => log.end())
else log.end()
if (process.argv[4] === undefined) log.write({ level: 'info', code: 'late', text: 'after the end', fields: {} })
