/**
 * Which key an open connection signs with while its TCP-AO chain changes. Not every kernel has TCP-AO, so its rules stand
 * here (`net/ipv4/tcp_ao.c` of Linux); the real one: interop `key chain`.
 */
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { Chance } from '../../../src/base/chance.ts'
import { hostPrefix, type Prefix } from '../../../src/base/prefix.ts'
import { type Signature, signatureOf, signBeforeConnect, signConnection } from '../../../src/edge/net/signing.ts'

const [ADD, DELETE, INFO] = [38, 39, 40]
const [EEXIST, EBUSY, ENOENT] = [17, 16, 2]

/** The keys of the two ends of a connection: their IDs, as `send/receive`. */
const ends = vi.hoisted(() => [1, 2].map(() => ({ keys: [] as string[], signsWith: '', asksFor: '' })))
const [socket, other] = ends as [End, End]
type End = (typeof ends)[number]

vi.mock(import('../../../src/edge/libc.ts'), async (original) => {
  const libc = await original()
  const setOption = (fd: number, _level: number, option: number, value: number | Uint8Array): void => {
    const socket = ends[fd]
    if (!(value instanceof Uint8Array) || socket === undefined) throw new Error('no option of TCP-AO')
    const view = new DataView(value.buffer)
    const bySend = (id: number | undefined) => socket.keys.find((key) => key.startsWith(`${id}/`)) ?? ''
    const byReceive = (id: number | undefined) => socket.keys.find((key) => key.endsWith(`/${id}`)) ?? ''
    if (option === ADD) {
      if (bySend(value[203]) !== '' || byReceive(value[204]) !== '') throw new libc.CallError(EEXIST)
      const key = `${value[203]}/${value[204]}`
      socket.keys.push(key)
      const flags = view.getUint32(196, true)
      if ((flags & 1) !== 0) socket.signsWith = key
      if ((flags & 2) !== 0) socket.asksFor = key
    } else if (option === DELETE) {
      const key = `${value[139]}/${value[140]}`
      if (!socket.keys.includes(key)) throw new libc.CallError(ENOENT)
      const flags = view.getUint32(132, true)
      const [signsWith, asksFor] = [
        (flags & 1) === 0 ? socket.signsWith : bySend(value[141]),
        (flags & 2) === 0 ? socket.asksFor : byReceive(value[142]),
      ]
      if (key === signsWith || key === asksFor) throw new libc.CallError(EBUSY)
      Object.assign(socket, { keys: socket.keys.filter((one) => one !== key), signsWith, asksFor })
    } else if (option === INFO) {
      socket.asksFor = byReceive(value[7])
    }
  }
  return { ...libc, setOption }
})

const chain = (...keys: readonly string[]): Signature =>
  signatureOf(
    {
      kind: 'ao',
      keys: keys.map((text) => {
        const [id = '', secret = id] = text.split(' ')
        const key = { secret: 'bgp', key: secret, version: 1 }
        return { sendId: Number(id), receiveId: Number(id), algorithm: 'HMAC-SHA-1-96', key }
      }),
    },
    ({ key }) => new TextEncoder().encode(key),
  ) as Signature

const target = { fd: 0, isIpv6: false }
const host = hostPrefix('10.0.0.1') as Prefix
const after = (before: Signature, next: Signature): Signature => signConnection(target, host, next, before)

describe('an open connection', () => {
  const before = chain('1', '2')
  beforeEach(() => {
    Object.assign(socket, { keys: [], signsWith: '', asksFor: '' })
    signBeforeConnect(target, host, before)
  })

  test('asks for a new key, and does not sign with it before the neighbor asks for it', () => {
    after(before, chain('3', '1', '2'))
    expect(socket).toEqual({ keys: ['1/1', '2/2', '3/3'], signsWith: '1/1', asksFor: '3/3' })
  })

  test('does so too when another key is deleted in the same step', () => {
    after(before, chain('3', '1'))
    expect(socket).toEqual({ keys: ['1/1', '3/3'], signsWith: '1/1', asksFor: '3/3' })
  })

  test('goes on with a key that the neighbor has when its own is deleted', () => {
    after(before, chain('3', '2'))
    expect(socket).toEqual({ keys: ['2/2', '3/3'], signsWith: '2/2', asksFor: '3/3' })
  })

  test('goes on with the key that has been there longest, because the neighbor may not have a newer one yet', () => {
    const inForce = after(before, chain('3', '1', '2'))
    after(inForce, chain('3', '2'))
    expect(socket).toEqual({ keys: ['2/2', '3/3'], signsWith: '2/2', asksFor: '3/3' })
  })

  test('goes on with a new key if none is left that was there before', () => {
    after(before, chain('3'))
    expect(socket).toEqual({ keys: ['3/3'], signsWith: '3/3', asksFor: '3/3' })
  })

  test('is named after the keys in force, not after those that wait for an ID', () => {
    const next = chain('1 other', '3')
    const inForce = after(before, next)
    expect(inForce).toEqual(chain('1', '3'))
    expect(inForce.name).toBe(chain('1', '3').name)
    expect(inForce.name).not.toBe(next.name)
    expect(after(inForce, next)).toEqual(inForce)
  })
})

/** A key as both ends know it: what one sends with the other receives with. */
interface Shared {
  readonly ids: readonly [number, number]
  readonly bytes: Uint8Array
}
type Ao = Extract<Signature, { kind: 'ao' }>

const chainAt = (end: 0 | 1, keys: readonly Shared[]): Ao => ({
  kind: 'ao',
  name: '',
  keys: keys.map(({ ids, bytes }) => {
    const [sendId, receiveId] = end === 0 ? ids : [ids[1], ids[0]]
    return { sendId, receiveId, algorithm: 'HMAC-SHA-1-96', bytes }
  }),
})

const turned = (ids: string): string => ids.split('/').reverse().join('/')
const bytesOf = ({ keys }: Ao, ids: string) => keys.find((key) => `${key.sendId}/${key.receiveId}` === ids)?.bytes

/** One segment: whether it is taken. The receiver then signs with the key that it asks for, if it has it (RFC 5925 §7.5.2). */
function carries(from: End, to: End, sent: Ao, received: Ao): boolean {
  const bytes = bytesOf(sent, from.signsWith)
  const isTaken = to.keys.includes(turned(from.signsWith)) && bytesOf(received, turned(from.signsWith)) === bytes
  const wanted = to.keys.find((key) => key === turned(from.asksFor))
  if (isTaken && wanted !== undefined) to.signsWith = wanted
  return isTaken
}

test('whatever both ends add, prefer and delete, data flows if both have the first and the oldest key when one is deleted', () => {
  for (let seed = 0; seed < 200; seed++) {
    const chance = new Chance(seed)
    const pick = (count: number): number => Math.floor(chance.next() * count)
    let last = 0
    const make = (): Shared => ({ ids: [++last, pick(2) === 0 ? last : 255 - last], bytes: new Uint8Array(8) })
    const first = [make()]
    // Of each end, the oldest first.
    const ages: [Shared[], Shared[]] = [[...first], [...first]]
    const chains: [Shared[], Shared[]] = [first, first]
    const inForce: [Ao, Ao] = [chainAt(0, first), chainAt(1, first)]
    for (const end of [0, 1] as const) {
      Object.assign(ends[end] as End, { keys: [], signsWith: '', asksFor: '' })
      signBeforeConnect({ fd: end, isIpv6: false }, host, inForce[end])
    }
    for (let step = 0; step < 12; step++) {
      const end = pick(2) as 0 | 1
      const [own, theirs] = [chains[end], chains[1 - end] as Shared[]]
      let next = [...own]
      const missing = theirs.find((key) => !own.includes(key)) ?? make()
      const gone = own[pick(own.length)] as Shared
      const [oldest] = ages[end].filter((key) => key !== gone)
      if (pick(2) === 0 && oldest !== undefined && theirs.includes(oldest)) next.splice(next.indexOf(gone), 1)
      if (pick(2) === 0) next.splice(pick(next.length + 1), 0, missing)
      if (pick(3) === 0) next.reverse()
      if (!next.includes(gone) && !theirs.includes(next[0] as Shared)) next = [...own]
      chains[end] = next
      ages[end] = [...ages[end].filter((key) => next.includes(key)), ...next.filter((key) => !ages[end].includes(key))]
      const signed = signConnection({ fd: end, isIpv6: false }, host, chainAt(end, next), inForce[end])
      inForce[end] = signed as Ao
      // Each side sends something now and then; what is lost meanwhile is sent again.
      let taken = [false, false]
      for (let tries = 0; tries < 3; tries++) {
        taken = [carries(socket, other, ...inForce), carries(other, socket, inForce[1], inForce[0])]
      }
      expect(taken, `seed ${seed}, step ${step}`).toEqual([true, true])
    }
  }
})
