// Two good neighbors in one process: one changes a route every twenty milliseconds, the other hears of it. Each change that was
// heard is a line: when it was made, and how long it took, in milliseconds of the machine's clock.
// node probe.ts REMOTE TELLER ASN HEARER ASN

import { announce } from '../../test/bench/peers/wire.ts'
import { speak } from './neighbor.ts'

const EVERY = 20
/** 10.244.250.0/24 */
const PREFIX = [24, 10, 244, 250]
const MARK = 65003
const COMMUNITIES = 8

const now = (): number => Number(process.hrtime.bigint()) / 1e6
const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number)

/** The number of the change that an UPDATE tells of; undefined where it tells of none. */
const numberIn = (bytes: Uint8Array, start: number): number | undefined => {
  const attributes = start + 23 + u16(bytes, start + 19)
  const end = attributes + u16(bytes, attributes - 2)
  for (let at = attributes; at < end; ) {
    const extended = ((bytes[at] as number) & 0x10) !== 0
    const length = extended ? u16(bytes, at + 2) : (bytes[at + 2] as number)
    const value = at + (extended ? 4 : 3)
    if (bytes[at + 1] === COMMUNITIES && u16(bytes, value) === MARK) return u16(bytes, value + 2)
    at = value + length
  }
  return undefined
}

if (import.meta.main) {
  const [remote = '', teller = '', tellerAs = '', hearer = '', hearerAs = ''] = process.argv.slice(2)
  const sent = new Map<number, number>()
  let lines: string[] = []
  const heard = speak({ local: hearer, remote, as: Number(hearerAs) }, (bytes, start) => {
    const number = numberIn(bytes, start)
    const at = now()
    if (number === undefined || !sent.has(number)) return
    // What was overtaken by a later change arrived with it.
    for (const [earlier, since] of sent) {
      lines.push(`${since.toFixed(2)} ${(at - since).toFixed(2)}`)
      sent.delete(earlier)
      if (earlier === number) break
    }
  })
  const told = speak({ local: teller, remote, as: Number(tellerAs) })
  await Promise.all([heard.up, told.up])
  console.log('up')
  const nextHop = teller.split('.').map(Number)
  let number = 0
  let due = now()
  const tell = (): void => {
    number = (number + 1) & 0xffff
    sent.set(number, now())
    told.socket.write(
      announce('v4', PREFIX, { asPath: [Number(tellerAs)], nextHop, communities: [MARK * 65536 + number] }),
    )
    due += EVERY
    setTimeout(tell, Math.max(0, due - now()))
  }
  tell()
  setInterval(() => {
    if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`)
    lines = []
  }, 100)
}
