/** A RIB with a clock that stands still unless a test moves it. */
import { Rib } from '../../src/bgp/rib/rib.ts'
import type { ReceiveResult, RibPeer } from '../../src/bgp/rib/types.ts'
import type { PathAttributes } from '../../src/bgp/wire/attribute.ts'
import { announcement, settle, withdrawal } from './rib.ts'

export class Site {
  readonly rib: Rib
  now = 0

  constructor(peers: readonly RibPeer[], memoryLimit?: number) {
    this.rib = new Rib({ memoryLimit })
    for (const peer of peers) this.rib.addPeer(peer)
    settle(this.rib)
  }

  say(of: RibPeer, what: string, carried: PathAttributes): ReceiveResult {
    return this.receive(of, announcement([what], carried, of.remoteAddress))
  }

  receive(of: RibPeer, bytes: Uint8Array): ReceiveResult {
    const { error, ...rest } = this.rib.receive(of.name, bytes, 0, bytes.length, this.now)
    if (error !== undefined) throw new Error(error.text)
    settle(this.rib)
    return { error, ...rest }
  }

  unsay(of: RibPeer, what: string): void {
    const bytes = withdrawal([what])
    this.rib.receive(of.name, bytes, 0, bytes.length, this.now)
    settle(this.rib)
  }

  held(of: RibPeer): number {
    return this.rib.counts(of.name, 'ipv4').received
  }

  memory(of: RibPeer) {
    return this.rib.counts(of.name, 'ipv4').memory
  }
}
