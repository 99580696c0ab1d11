/** Links in memory for router discovery: what one socket sends comes to the others of its link, as the kernel has it. */
import { type Address, addressBytes, formatAddress } from '../../src/base/address.ts'
import { ALL_NODES, ALL_ROUTERS, type NdpSocket, type Receive } from '../../src/edge/net/ndp-socket.ts'
import { ICMP_TYPE } from '../../src/ndp/packet.ts'

interface Station {
  readonly address: Address
  readonly index: number
  readonly receive: Receive
  joined: boolean
}

const TYPES: readonly (number | undefined)[] = Object.values(ICMP_TYPE)

export class MemoryLink {
  readonly #stations = new Set<Station>()

  /** A socket of the host that has this address on the link, by an interface of this number. */
  open(address: Address, index: number, receive: Receive): NdpSocket {
    const station: Station = { address: formatAddress(addressBytes(address)), index, receive, joined: false }
    this.#stations.add(station)
    return {
      join: (which) => {
        station.joined ||= which === index
        return which === index ? undefined : 'No such device'
      },
      send: (bytes, to, which) => {
        if (which !== index) return 'Network is unreachable'
        for (const other of this.#stations)
          if (other !== station && takes(other, to, bytes)) deliver(station, other, bytes)
        return undefined
      },
      close: () => {
        this.#stations.delete(station)
      },
    }
  }
}

const takes = ({ address, joined }: Station, to: Address, bytes: Uint8Array): boolean =>
  TYPES.includes(bytes[0]) && (to === address || to === ALL_NODES || (to === ALL_ROUTERS && joined))

function deliver(from: Station, to: Station, bytes: Uint8Array): void {
  const copy = bytes.slice()
  // As checksummed by the kernel that sends it.
  copy.set([0xab, 0xcd], 2)
  to.receive(copy, from.address, to.index)
}
