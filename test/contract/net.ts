/** What every network must do for the engine. TCP and the network in memory run the same rows. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Address } from '../../src/base/address.ts'
import type { ConnId } from '../../src/bgp/session/types.ts'
import type { Network } from '../../src/edge/net/network.ts'
import type { Input } from '../../src/engine/input.ts'

/** Two hosts that can reach each other. */
export interface NetRig {
  /** Makes a host that tells `feed` what happens; its addresses, one per family. */
  host(feed: (input: Input) => void): { readonly network: Network; readonly ipv4: Address; readonly ipv6: Address }
  /** A port nobody listens on. */
  freePort(): Promise<number>
  /** Lets the world go on until it holds. */
  until(what: string, holds: () => boolean): Promise<void>
}

type Of<Kind extends Input['kind']> = Extract<Input, { readonly kind: Kind }>

/** One side: what it was told, by kind. */
class Side {
  readonly inputs: Input[] = []
  readonly network: Network
  readonly ipv4: Address
  readonly ipv6: Address
  /** Called for every input, as an engine would be. */
  onInput: (input: Input) => void = () => {}

  constructor(rig: NetRig) {
    const host = rig.host((input) => {
      // The engine keeps no bytes beyond the turn: who wants them copies them.
      this.inputs.push(input.kind === 'received' ? { ...input, bytes: input.bytes.slice() } : input)
      this.onInput(input)
    })
    this.network = host.network
    this.ipv4 = host.ipv4
    this.ipv6 = host.ipv6
  }

  all<Kind extends Input['kind']>(kind: Kind): Of<Kind>[] {
    return this.inputs.filter((input): input is Of<Kind> => input.kind === kind)
  }

  bytes(conn: ConnId): Uint8Array {
    return Buffer.concat(
      this.all('received')
        .filter((input) => input.conn === conn)
        .map((input) => input.bytes),
    )
  }

  text(conn: ConnId): string {
    return new TextDecoder().decode(this.bytes(conn))
  }

  closed(conn: ConnId): Of<'closed'>[] {
    return this.all('closed').filter((input) => input.conn === conn)
  }
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

export function describeNetwork(name: string, makeRig: () => NetRig): void {
  describe(`a network: ${name}`, () => {
    let rig: NetRig
    let a: Side
    let b: Side
    let port: number

    beforeEach(async () => {
      rig = makeRig()
      a = new Side(rig)
      b = new Side(rig)
      port = await rig.freePort()
    })
    afterEach(async () => {
      let left = 2
      for (const side of [a, b]) void side.network.stop().then(() => left--)
      await rig.until('stopped', () => left === 0)
    })

    async function listen(addresses: readonly Address[] = [b.ipv4, b.ipv6]): Promise<void> {
      b.network.perform({ kind: 'listen', port, addresses })
      const wanted = Math.max(addresses.length, 1)
      await rig.until('listening', () => b.all('listening').length >= wanted)
    }

    /** A dials B; the ids on both sides. */
    async function connect(
      conn: ConnId = 2,
      family: 'ipv4' | 'ipv6' = 'ipv4',
    ): Promise<{ ours: ConnId; theirs: ConnId }> {
      const before = b.all('accepted').length
      a.network.perform({ kind: 'dial', conn, remote: { address: b[family], port }, localAddress: undefined })
      await rig.until('connected', () => {
        return a.all('connected').some((input) => input.conn === conn) && b.all('accepted').length > before
      })
      return { ours: conn, theirs: b.all('accepted').at(-1)?.conn ?? 0 }
    }

    test('listening is told for each address', async () => {
      await listen()
      expect(b.all('listening').map((input) => [input.address, input.port])).toEqual(
        expect.arrayContaining([
          [b.ipv4, port],
          [b.ipv6, port],
        ]),
      )
    })

    test.each(['ipv4', 'ipv6'] as const)('both ends see the connection alike, %s', async (family) => {
      await listen()
      const { ours, theirs } = await connect(2, family)
      const connected = a.all('connected')[0]
      const accepted = b.all('accepted')[0]
      expect(theirs % 2).toBe(1)
      expect(connected?.conn).toBe(ours)
      expect(connected?.remote).toEqual({ address: b[family], port })
      expect(accepted?.local).toEqual(connected?.remote)
      expect(accepted?.remote).toEqual(connected?.local)
    })

    test('a connection starts at the address it is told to start at', async () => {
      await listen()
      const remote = { address: b.ipv4, port }
      a.network.perform({ kind: 'dial', conn: 2, remote, localAddress: a.ipv4 })
      await rig.until('accepted', () => b.all('accepted').length === 1)
      expect(b.all('accepted')[0]?.remote.address).toBe(a.ipv4)
    })

    test('bytes arrive in order, both ways', async () => {
      await listen()
      const { ours, theirs } = await connect()
      for (const text of ['one ', 'two ', 'three']) {
        a.network.perform({ kind: 'send', conn: ours, bytes: utf8(text) })
        b.network.perform({ kind: 'send', conn: theirs, bytes: utf8(text.toUpperCase()) })
      }
      await rig.until('all there', () => b.bytes(theirs).length === 13 && a.bytes(ours).length === 13)
      expect(b.text(theirs)).toBe('one two three')
      expect(a.text(ours)).toBe('ONE TWO THREE')
    })

    test('only the bytes of a view are sent', async () => {
      await listen()
      const { ours, theirs } = await connect()
      a.network.perform({ kind: 'send', conn: ours, bytes: utf8('not this: this').subarray(10) })
      await rig.until('there', () => b.bytes(theirs).length > 0)
      expect(b.text(theirs)).toBe('this')
    })

    test('drained answers what was sent, and is enough to send much', async () => {
      await listen()
      const { ours, theirs } = await connect()
      const chunk = new Uint8Array(60_000).map((_, index) => index % 251)
      let left = 40
      const sendOne = () => {
        if (left-- > 0) a.network.perform({ kind: 'send', conn: ours, bytes: chunk })
      }
      a.onInput = (input) => input.kind === 'drained' && sendOne()
      sendOne()
      await rig.until(
        'all there',
        () => b.all('received').reduce((sum, { bytes }) => sum + bytes.length, 0) >= 2_400_000,
      )
      const whole = b.bytes(theirs)
      expect(whole).toHaveLength(2_400_000)
      expect(Buffer.compare(whole.subarray(2_340_000), chunk)).toBe(0)
    })

    test('nobody listens: dial-failed with the reason, and nothing else', async () => {
      a.network.perform({ kind: 'dial', conn: 2, remote: { address: b.ipv4, port }, localAddress: undefined })
      await rig.until('failed', () => a.all('dial-failed').length > 0)
      expect(a.inputs).toEqual([{ kind: 'dial-failed', conn: 2, reason: 'Connection refused' }])
    })

    test('nobody listens, called from a given address: the reason names both', async () => {
      a.network.perform({ kind: 'dial', conn: 2, remote: { address: b.ipv4, port }, localAddress: a.ipv4 })
      await rig.until('failed', () => a.all('dial-failed').length > 0)
      const reason = `Connection refused, called from ${a.ipv4} to ${b.ipv4}`
      expect(a.inputs).toEqual([{ kind: 'dial-failed', conn: 2, reason }])
    })

    test('from an address that is not ours: dial-failed with the reason', async () => {
      await listen()
      a.network.perform({ kind: 'dial', conn: 2, remote: { address: b.ipv4, port }, localAddress: '198.51.100.7' })
      await rig.until('failed', () => a.all('dial-failed').length > 0)
      const reason = 'Cannot assign requested address 198.51.100.7: this machine does not have that address'
      expect(a.inputs).toEqual([{ kind: 'dial-failed', conn: 2, reason }])
      expect(b.all('accepted')).toEqual([])
    })

    test('listening on an address that is not ours is told as failed, and the others work', async () => {
      b.network.perform({ kind: 'listen', port, addresses: ['198.51.100.7', b.ipv4] })
      await rig.until('both told', () => b.all('listen-failed').length + b.all('listening').length === 2)
      const reason = 'Cannot assign requested address'
      expect(b.all('listen-failed')).toEqual([{ kind: 'listen-failed', address: '198.51.100.7', port, reason }])
      await connect()
    })

    test('a listener that failed and is no longer wanted is told as ended', async () => {
      b.network.perform({ kind: 'listen', port, addresses: ['198.51.100.7', b.ipv4] })
      await rig.until('both told', () => b.all('listen-failed').length + b.all('listening').length === 2)
      b.network.perform({ kind: 'listen', port, addresses: [b.ipv4] })
      await rig.until('ended', () => b.all('listen-ended').length > 0)
      expect(b.all('listen-ended')).toEqual([{ kind: 'listen-ended', address: '198.51.100.7', port }])
    })

    test('what was sent before a close arrives, then both are told closed once', async () => {
      await listen()
      const { ours, theirs } = await connect()
      a.network.perform({ kind: 'send', conn: ours, bytes: utf8('farewell') })
      a.network.perform({ kind: 'close', conn: ours })
      await rig.until('closed', () => a.closed(ours).length > 0 && b.closed(theirs).length > 0)
      expect(b.text(theirs)).toBe('farewell')
      expect(b.inputs.at(-1)).toEqual({ kind: 'closed', conn: theirs, reason: undefined })
      expect(a.closed(ours)).toEqual([{ kind: 'closed', conn: ours, reason: undefined }])
    })

    test('[23] the last message arrives though the neighbor was still sending', async () => {
      await listen()
      const { ours, theirs } = await connect()
      for (let count = 0; count < 20; count++) {
        b.network.perform({ kind: 'send', conn: theirs, bytes: new Uint8Array(50_000) })
      }
      a.network.perform({ kind: 'send', conn: ours, bytes: utf8('farewell') })
      a.network.perform({ kind: 'close', conn: ours })
      await rig.until('closed', () => a.closed(ours).length > 0 && b.closed(theirs).length > 0)
      expect(b.text(theirs)).toBe('farewell')
    })

    test('nothing is received after our own close', async () => {
      await listen()
      const { ours, theirs } = await connect()
      a.network.perform({ kind: 'close', conn: ours })
      b.network.perform({ kind: 'send', conn: theirs, bytes: utf8('too late') })
      await rig.until('closed', () => a.closed(ours).length > 0)
      expect(a.all('received')).toEqual([])
    })

    test('a refused connection is closed on both sides, once', async () => {
      await listen()
      b.onInput = (input) => input.kind === 'accepted' && b.network.perform({ kind: 'refuse', conn: input.conn })
      const { ours, theirs } = await connect()
      await rig.until('closed', () => a.closed(ours).length > 0 && b.closed(theirs).length > 0)
      b.network.perform({ kind: 'refuse', conn: theirs })
      await connect(4)
      expect(a.closed(ours)).toHaveLength(1)
      expect(b.closed(theirs)).toHaveLength(1)
    })

    test('a dial given up is dial-failed, once', async () => {
      await listen()
      a.network.perform({ kind: 'dial', conn: 2, remote: { address: b.ipv4, port }, localAddress: undefined })
      a.network.perform({ kind: 'close', conn: 2 })
      await rig.until('failed', () => a.all('dial-failed').length > 0)
      await connect(4)
      expect(a.inputs.filter((input) => 'conn' in input && input.conn === 2)).toHaveLength(1)
    })

    test('effects for a connection that is gone do nothing', async () => {
      await listen()
      const { ours, theirs } = await connect()
      b.network.perform({ kind: 'close', conn: theirs })
      await rig.until('closed', () => a.closed(ours).length > 0 && b.closed(theirs).length > 0)
      const before = a.inputs.length
      a.network.perform({ kind: 'send', conn: ours, bytes: utf8('into the void') })
      a.network.perform({ kind: 'close', conn: ours })
      a.network.perform({ kind: 'refuse', conn: 4711 })
      await connect(4)
      expect(a.inputs.slice(before).map((input) => input.kind)).toEqual(['connected'])
    })

    test('a change of the addresses leaves the others and what was accepted alone', async () => {
      await listen()
      const { ours, theirs } = await connect(2, 'ipv6')
      b.network.perform({ kind: 'listen', port, addresses: [b.ipv4] })
      a.network.perform({ kind: 'dial', conn: 4, remote: { address: b.ipv6, port }, localAddress: undefined })
      await rig.until('refused', () => a.all('dial-failed').length > 0)
      await connect(6, 'ipv4')
      a.network.perform({ kind: 'send', conn: ours, bytes: utf8('still here') })
      await rig.until('there', () => b.bytes(theirs).length > 0)
      expect(b.text(theirs)).toBe('still here')
      expect(b.all('listening')).toHaveLength(2)
      expect(b.all('listen-ended')).toEqual([{ kind: 'listen-ended', address: b.ipv6, port }])
    })

    test('no address means every address', async () => {
      await listen([])
      await connect(2, 'ipv4')
      await connect(4, 'ipv6')
      expect(b.all('accepted').map((input) => input.local.address)).toEqual([b.ipv4, b.ipv6])
      expect(b.all('listening')).toEqual([{ kind: 'listening', address: undefined, port }])
    })

    test('stop ends everything, and tells it', async () => {
      await listen()
      const { ours, theirs } = await connect()
      let stopped = false
      void b.network.stop().then(() => {
        stopped = true
      })
      await rig.until('stopped', () => stopped && a.closed(ours).length > 0 && b.closed(theirs).length > 0)
      a.network.perform({ kind: 'dial', conn: 4, remote: { address: b.ipv4, port }, localAddress: undefined })
      await rig.until('refused', () => a.all('dial-failed').length > 0)
      expect(b.closed(theirs)).toHaveLength(1)
    })
  })
}
