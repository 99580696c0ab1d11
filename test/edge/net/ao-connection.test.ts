/**
 * Which key an open connection signs with while its TCP-AO chain changes. Not every kernel has TCP-AO, so its rules stand
 * here (`net/ipv4/tcp_ao.c` of Linux); the real one: interop `key chain`.
 */
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { hostPrefix, type Prefix } from '../../../src/base/prefix.ts'
import { type Signature, signatureOf, signCaller, signConnection } from '../../../src/edge/net/signing.ts'

const [ADD, DELETE, INFO] = [38, 39, 40]
const [EEXIST, EBUSY, ENOENT] = [17, 16, 2]

/** The keys of one connection: their IDs, as `send/receive`. */
const socket = vi.hoisted(() => ({ keys: [] as string[], signsWith: '', asksFor: '' }))

vi.mock(import('../../../src/edge/libc.ts'), async (original) => {
  const libc = await original()
  const setOption = (_fd: number, _level: number, option: number, value: number | Uint8Array): void => {
    if (!(value instanceof Uint8Array)) throw new Error('no option of TCP-AO')
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
    signCaller(target, host, before)
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
