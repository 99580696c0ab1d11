import { beforeEach, describe, expect, test } from 'vitest'
import { DiscoveryLink, SILENCE } from '../../src/ndp/link.ts'

const [A, B, C] = ['fe80::a%eth0', 'fe80::b%eth0', 'fe80::c%eth0'] as const
let link: DiscoveryLink

beforeEach(() => {
  link = new DiscoveryLink('not known yet')
  link.setError(undefined)
})

const others = () => link.others.map(({ address }) => address)

test('nobody is heard before the link is there', () => {
  const early = new DiscoveryLink('not known yet')
  early.hear(A, false, 0)
  expect(early.router).toBeUndefined()
  expect(early.error).toBe('not known yet')
})

test('the one router is the neighbor, and when it was heard is kept', () => {
  link.hear(A, false, 10)
  link.hear(A, true, 20)
  expect(link.router).toEqual({ address: A, at: 20 })
})

describe('where several advertise themselves', () => {
  test.each<[string, boolean, number, string]>([
    ['the first stays while it has a session, heard or not', true, SILENCE * 10, A],
    ['the first stays while it was heard lately', false, SILENCE, A],
    ['the first gives way when it has neither', false, SILENCE + 1, B],
  ])('%s', (_, hasSession, at, expected) => {
    link.hear(A, false, 0)
    link.hear(B, hasSession, at)
    expect(link.router?.address).toBe(expected)
    expect(others()).toEqual(expected === A ? [B] : [])
  })

  test.each<[string, boolean, readonly string[], string]>([
    ['gives way', false, [B], B],
    ['stays while it has a session', true, [B], A],
    ['stays when it is heard again first', false, [A, B], A],
  ])('and the link was down for a moment, the first %s', (_, hasSession, heard, expected) => {
    link.hear(A, false, 0)
    link.noteDown()
    for (const address of heard) link.hear(address, hasSession, 1)
    expect(link.router?.address).toBe(expected)
  })

  test('the others are remembered as long as they are heard', () => {
    link.hear(A, false, 0)
    link.hear(B, false, 1)
    link.hear(C, false, 2)
    link.hear(B, false, 3)
    expect(others()).toEqual([C, B])
    link.hear(A, false, 3 + SILENCE)
    expect(others()).toEqual([B])
  })

  test('a flood of them takes no more room than eight', () => {
    link.hear(A, false, 0)
    for (let number = 0; number < 1000; number++) link.hear(`fe80::${number.toString(16)}:1%eth0`, false, number)
    expect(link.others).toHaveLength(8)
    expect(link.router?.address).toBe(A)
  })
})

test('who was on a link that went down is forgotten', () => {
  link.hear(A, false, 0)
  link.hear(B, false, 0)
  link.setError('eth0 is down')
  expect([link.router, link.others, link.error]).toEqual([undefined, [], 'eth0 is down'])
  link.hear(A, false, 1)
  expect(link.router).toBeUndefined()
  link.setError(undefined)
  link.hear(B, false, 2)
  expect(link.router?.address).toBe(B)
})
