import { MemoryLink } from '../support/memory-ndp.ts'
import { describeNdpSocket, type NdpHost, type Packet, packetOf } from './ndp.ts'

describeNdpSocket('router discovery in memory', async () => {
  const link = new MemoryLink()
  const host = (address: string, index: number): NdpHost => {
    const heard: Packet[] = []
    const socket = link.open(address, index, (...packet) => heard.push(packetOf(...packet)))
    return {
      address,
      index,
      heard,
      join: async (which) => socket.join(which),
      send: async (bytes, to, which) => socket.send(bytes, to, which),
      close: async () => socket.close(),
    }
  }
  return { one: host('fe80::1', 2), two: host('fe80::2', 7), settle: async () => {}, close: async () => {} }
})
