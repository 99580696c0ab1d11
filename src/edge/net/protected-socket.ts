/** The socket of one connection and its protection, signature and least TTL, whichever side opened it. */
import { type Address, familyOfAddress } from '../../base/address.ts'
import type { Prefix } from '../../base/prefix.ts'
import { hostOf, type SocketProtection, setTtl } from './protection.ts'
import { type Signature, signBeforeConnect, signConnection } from './signing.ts'

export class ProtectedSocket {
  readonly fd: number
  readonly remote: Address
  readonly isIpv6: boolean
  readonly #protection: SocketProtection
  #minTtl: number | undefined
  #signature: Signature | undefined
  /** The addresses that `#signature` is for: the neighbor's, or those that the listener has it for. */
  #signedFor: Prefix | undefined

  /** `isIpv6`: an accepted socket may be of IPv6 although its remote address is of IPv4. */
  constructor(protection: SocketProtection, fd: number, remote: Address, isIpv6 = familyOfAddress(remote) === 'ipv6') {
    this.#protection = protection
    this.fd = fd
    this.remote = remote
    this.isIpv6 = isIpv6
  }

  /** Before it connects. */
  protectDialled(): void {
    this.#signDialled()
    this.#limitTtl(false)
  }

  /** After it was accepted, before anything is read: it has inherited the keys and the TTL of the listener. */
  protectAccepted(): void {
    this.#updateSignature()
    this.#limitTtl(true)
  }

  /**
   * Keys or least TTLs of neighbors have changed. A connection without a signature stays without one: the neighbor would drop
   * what is signed, and the NOTIFICATION with which the engine ends the session would not arrive.
   */
  protectAgain(): void {
    if (this.#signature !== undefined) this.#updateSignature()
    this.#limitTtl(false)
  }

  #signDialled(): void {
    const protection = this.#protection.of(this.remote)
    this.#signature = protection && this.#protection.signatureOf(protection)
    if (this.#signature === undefined) return
    this.#signedFor = hostOf(this.remote)
    signBeforeConnect(this, this.#signedFor, this.#signature)
  }

  /**
   * Where the kind of signature changes, or none is asked for any more, the old one stays, so that a NOTIFICATION can still
   * be sent: the engine ends the session.
   */
  #updateSignature(): void {
    const protection = this.#protection.of(this.remote)
    const next = protection && this.#protection.signatureOf(protection)
    const before = this.#signature
    if (next === undefined || next.name === before?.name) return
    if (before !== undefined && before.kind !== next.kind) return
    // With TCP-MD5 an accepted connection has the key of its neighbor only, with TCP-AO all keys of the listener.
    this.#signedFor ??= next.kind === 'ao' ? this.#protection.signedFor(this.remote) : hostOf(this.remote)
    this.#signature = signConnection(this, this.#signedFor, next, before)
  }

  /** `hasInherited`: the listener may have set a least TTL on it. */
  #limitTtl(hasInherited: boolean): void {
    const minTtl = this.#protection.of(this.remote)?.minTtl
    setTtl(this.fd, this.remote, minTtl, hasInherited || this.#minTtl !== undefined)
    this.#minTtl = minTtl
  }
}
