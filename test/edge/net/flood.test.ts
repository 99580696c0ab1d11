/** When a filter against strangers comes and goes: by counting, with seconds that the test makes. */
import { beforeEach, expect, test } from 'vitest'
import { CALM, Flood, MOST, overflowsIn } from '../../../src/edge/net/flood.ts'

let reported: (readonly [isOn: boolean, dropped: number])[]
let dropped: number
let overflows: number
let flood: Flood

beforeEach(() => {
  reported = []
  dropped = 0
  overflows = 0
  flood = new Flood({
    filter: () => {},
    dropped: () => dropped,
    report: (isOn, count) => reported.push([isOn, count]),
    overflows: () => overflows,
  })
})

const strangers = (count: number) => {
  for (let index = 0; index < count; index++) flood.stranger()
}

test('so many strangers a second are let call, and one more is a flood at once', () => {
  for (let second = 0; second < 5; second++) {
    strangers(MOST)
    flood.second()
  }
  expect(reported).toEqual([])
  strangers(MOST + 1)
  expect(reported).toEqual([[true, 0]])
})

test('calls that the kernel cannot keep half open count alike: nobody ever accepts them', () => {
  overflows += MOST
  flood.second()
  expect(flood.isOn).toBe(false)
  overflows += MOST + 1
  flood.second()
  expect(flood.isOn).toBe(true)
})

test('it ends when it has been quiet for some seconds in a row, and what was dropped is reported each second', () => {
  strangers(MOST + 1)
  flood.second()
  for (let second = 1; second < CALM; second++) flood.second()
  dropped += 5_000
  flood.second()
  dropped += MOST
  flood.second()
  expect(reported).toEqual([
    [true, 0],
    [true, 5_000],
    [true, MOST],
  ])
  for (let second = 1; second < CALM; second++) flood.second()
  expect(flood.isOn).toBe(false)
  expect(reported.at(-1)).toEqual([false, 0])
})

test('what the kernel counts is found by name; where it says nothing, nothing is counted', () => {
  const text = [
    'TcpExt: SyncookiesSent ListenOverflows TCPReqQFullDoCookies Other TCPReqQFullDrop',
    'TcpExt: 7 10 200 9 3000',
    'IpExt: InNoRoutes',
    'IpExt: 5',
  ].join('\n')
  expect([overflowsIn(text), overflowsIn('TcpExt: A\nTcpExt: 1\n'), overflowsIn('')]).toEqual([3_210, 0, 0])
})
