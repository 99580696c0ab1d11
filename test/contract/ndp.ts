/** What every socket for router discovery keeps to, over a raw socket and in memory. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Address } from '../../src/base/address.ts'
import { ALL_NODES, ALL_ROUTERS } from '../../src/edge/net/ndp-socket.ts'
import { encodeAdvertisement, encodeSolicitation } from '../../src/ndp/packet.ts'

export interface Packet {
  /** Hexadecimal, without the checksum. */
  readonly hex: string
  readonly from: Address
  readonly index: number
}

/** A host on the link, its socket open. What it is asked answers when it is done. */
export interface NdpHost {
  readonly address: Address
  readonly index: number
  readonly heard: readonly Packet[]
  join(index: number): Promise<string | undefined>
  send(bytes: Uint8Array, to: Address, index: number): Promise<string | undefined>
  close(): Promise<void>
}

export interface NdpScene {
  readonly one: NdpHost
  readonly two: NdpHost
  /** Until all that was sent has come. */
  settle(): Promise<void>
  close(): Promise<void>
}

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 9)
const NO_INTERFACE = 9999
const plain = (bytes: Uint8Array): string => {
  const copy = bytes.slice()
  copy.fill(0, 2, 4)
  return Buffer.from(copy).toString('hex')
}

export const packetOf = (bytes: Uint8Array, from: Address, index: number): Packet => ({
  hex: plain(bytes),
  from,
  index,
})

export function describeNdpSocket(name: string, open: () => Promise<NdpScene>): void {
  describe(name, () => {
    let scene: NdpScene
    beforeEach(async () => {
      scene = await open()
    })
    afterEach(() => scene.close())

    const sent = (bytes: Uint8Array): Packet => ({ hex: plain(bytes), from: scene.one.address, index: scene.two.index })

    test('an advertisement to all comes to the others, with who sent it, and not back', async () => {
      const { one, two } = scene
      const bytes = encodeAdvertisement(MAC)
      expect(await one.send(bytes, ALL_NODES, one.index)).toBeUndefined()
      await scene.settle()
      expect(two.heard).toEqual([sent(bytes)])
      expect(one.heard).toEqual([])
    })

    test('one to a single address comes there', async () => {
      const { one, two } = scene
      const bytes = encodeAdvertisement(undefined)
      expect(await one.send(bytes, two.address, one.index)).toBeUndefined()
      await scene.settle()
      expect(two.heard).toEqual([sent(bytes)])
    })

    test('a solicitation to all routers comes to who joined them; twice is once', async () => {
      const { one, two } = scene
      const bytes = encodeSolicitation(MAC)
      expect([await two.join(two.index), await two.join(two.index)]).toEqual([undefined, undefined])
      expect(await one.send(bytes, ALL_ROUTERS, one.index)).toBeUndefined()
      await scene.settle()
      expect(two.heard).toEqual([sent(bytes)])
    })

    test('other messages do not come', async () => {
      const { one, two } = scene
      const echo = Uint8Array.of(129, 0, 0, 0, 0, 1, 0, 1)
      const solicitedNeighbor = Uint8Array.of(136, 0, ...new Array<number>(22).fill(0))
      for (const bytes of [echo, solicitedNeighbor]) await one.send(bytes, ALL_NODES, one.index)
      await scene.settle()
      expect(two.heard).toEqual([])
    })

    test('an interface that is not there is refused with a reason', async () => {
      const { one } = scene
      expect(await one.send(encodeAdvertisement(MAC), ALL_NODES, NO_INTERFACE)).toBe('Network is unreachable')
      expect(await one.join(NO_INTERFACE)).toBe('No such device')
    })

    test('nothing comes once it is closed', async () => {
      const { one, two } = scene
      await two.close()
      await one.send(encodeAdvertisement(MAC), ALL_NODES, one.index)
      await scene.settle()
      expect(two.heard).toEqual([])
    })
  })
}
