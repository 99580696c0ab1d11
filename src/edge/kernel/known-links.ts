/** The links and addresses that the kernel has reported, and what changed since the engine was last informed. */
import { type Address, familyOfAddress } from '../../base/address.ts'
import { same } from '../../cluster/same.ts'
import { IFF_UP, type Link, type LinkAddress, type LinkChange } from '../../dataplane/links.ts'
import { RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK, readAddress, readLink } from './netlink-link.ts'
import type { Attributes, Message } from './netlink-message.ts'

/** An event after which the kernel removes IPv4 routes without reporting each of them. */
export type Loss =
  | { readonly kind: 'link-deleted' | 'link-off' | 'link-renamed'; readonly name: string }
  | { readonly kind: 'address'; readonly name: string; readonly address: Address }

interface Known {
  readonly link: Omit<Link, 'addresses'>
  readonly addresses: Map<string, LinkAddress>
  /** As it was last reported to the engine; undefined: never. */
  readonly reported: Omit<Link, 'addresses'> | undefined
  /** Addresses that came, went or changed since, as they were then: a link may have tens of thousands that did not. */
  readonly changedAddresses: Map<string, LinkAddress | undefined>
}

export class KnownLinks {
  readonly #links = new Map<number, Known>()
  readonly #indexes = new Map<string, number>()
  readonly #dirty = new Set<number>()
  readonly #gone = new Set<number>()
  /** While everything is read again, what has not been reported yet: `INDEX` of links, `INDEX KEY` of addresses (`keyOf`). */
  #stale: Set<string> | undefined
  #hasReported = false

  readonly nameOf = (index: number): string => this.#links.get(index)?.link.name ?? `if${index}`

  readonly indexOf = (name: string): number | undefined => this.#indexes.get(name)

  /** A full reading begins. */
  begin(): void {
    this.#stale = new Set()
    for (const [index, { addresses }] of this.#links) {
      this.#stale.add(String(index))
      for (const key of addresses.keys()) this.#stale.add(`${index} ${key}`)
    }
  }

  /** The full reading is over: what was not reported again is gone. */
  end(): Loss[] {
    const stale = this.#stale ?? new Set<string>()
    this.#stale = undefined
    const losses: Loss[] = []
    for (const one of stale) {
      const [index, key] = one.split(' ')
      const loss = key === undefined ? this.#removeLink(Number(index)) : this.#removeAddress(Number(index), key)
      if (loss !== undefined) losses.push(loss)
    }
    return losses
  }

  /** Applies a message; returns the loss of routes that it implies. */
  take(message: Message, attributes: Attributes): Loss | undefined {
    switch (message.type) {
      case RTM_NEWLINK:
      case RTM_DELLINK: {
        const link = readLink(attributes, message)
        if (link === undefined) return undefined
        return message.type === RTM_NEWLINK ? this.#addLink(link) : this.#removeLink(link.index)
      }
      case RTM_NEWADDR:
      case RTM_DELADDR: {
        const found = readAddress(attributes, message)
        if (found === undefined) return undefined
        if (message.type === RTM_DELADDR) return this.#removeAddress(found.index, keyOf(found.own))
        this.#addAddress(found.index, found.own)
        return undefined
      }
      default:
        return undefined
    }
  }

  /** What has changed since the last call; undefined: nothing. */
  changes(): LinkChange | undefined {
    const present: Link[] = []
    for (const index of this.#dirty) {
      const known = this.#links.get(index)
      if (known === undefined) continue
      if (!isNews(known)) continue
      present.push({ ...known.link, addresses: [...known.addresses.values()] })
      this.#links.set(index, { ...known, reported: known.link, changedAddresses: new Map() })
    }
    const change = { full: !this.#hasReported, gone: [...this.#gone], present }
    this.#dirty.clear()
    this.#gone.clear()
    if (this.#hasReported && change.gone.length + present.length === 0) return undefined
    this.#hasReported = true
    return change
  }

  #addLink(link: Omit<Link, 'addresses'>): Loss | undefined {
    const known = this.#links.get(link.index)
    const previous = known?.link
    this.#stale?.delete(String(link.index))
    this.#links.set(link.index, {
      link,
      addresses: known?.addresses ?? new Map(),
      reported: known?.reported,
      changedAddresses: known?.changedAddresses ?? new Map(),
    })
    if (previous !== undefined) this.#unname(previous)
    this.#indexes.set(link.name, link.index)
    this.#dirty.add(link.index)
    this.#gone.delete(link.index)
    if (previous === undefined) return undefined
    if (previous.name !== link.name) return { kind: 'link-renamed', name: previous.name }
    const wentOff = (previous.flags & IFF_UP) !== 0 && (link.flags & IFF_UP) === 0
    return wentOff ? { kind: 'link-off', name: link.name } : undefined
  }

  #removeLink(index: number): Loss | undefined {
    const known = this.#links.get(index)
    if (known === undefined) return undefined
    this.#links.delete(index)
    this.#unname(known.link)
    this.#dirty.delete(index)
    this.#gone.add(index)
    return { kind: 'link-deleted', name: known.link.name }
  }

  /** Another link may have its name by now. */
  #unname({ name, index }: Pick<Link, 'name' | 'index'>): void {
    if (this.#indexes.get(name) === index) this.#indexes.delete(name)
  }

  #addAddress(index: number, own: LinkAddress): void {
    const key = keyOf(own)
    this.#stale?.delete(`${index} ${key}`)
    const known = this.#links.get(index)
    const there = known?.addresses.get(key)
    if (known === undefined || (there !== undefined && same(there, own))) return
    this.#note(known, key, there)
    known.addresses.set(key, own)
  }

  #removeAddress(index: number, key: string): Loss | undefined {
    const known = this.#links.get(index)
    const own = known?.addresses.get(key)
    if (known === undefined || own === undefined) return undefined
    this.#note(known, key, own)
    known.addresses.delete(key)
    return { kind: 'address', name: known.link.name, address: own.address }
  }

  #note({ link, changedAddresses }: Known, key: string, there: LinkAddress | undefined): void {
    if (!changedAddresses.has(key)) changedAddresses.set(key, there)
    this.#dirty.add(link.index)
  }
}

/** Whether it differs from what was reported: what came and went again does not. */
const isNews = ({ link, reported, addresses, changedAddresses }: Known): boolean =>
  !same(link, reported) || [...changedAddresses].some(([key, address]) => !same(address, addresses.get(key)))

/** By what the kernel tells addresses of a link apart: an IPv6 address is there once, and may get another peer or length. */
const keyOf = ({ address, length, peer }: LinkAddress): string =>
  familyOfAddress(address) === 'ipv6' ? address : `${address}/${length}/${peer ?? ''}`
