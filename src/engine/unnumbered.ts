/**
 * Neighbors that are configured by their interface alone ("unnumbered"): their address is learned from a router
 * advertisement. Owns their intents, and the state of their links.
 */
import type { Millis } from '../base/units.ts'
import { type PeerIntent, UNKNOWN_ADDRESS } from '../cluster/intent.ts'
import type { LinkTable, TouchedLinks } from '../dataplane/links.ts'
import { DiscoveryLink } from '../ndp/link.ts'
import { comesBefore, type RivalOf } from './found-neighbors.ts'
import type { DiscoveryInput, Input } from './input.ts'
import { type LogLine, logLine } from './log-line.ts'

export class Unnumbered {
  readonly #wanted = new Map<string, PeerIntent>()
  /** By interface. */
  readonly #links = new Map<string, DiscoveryLink>()

  set(intent: PeerIntent): void {
    this.#wanted.set(intent.name, intent)
    const { interface: name } = intent
    if (name === undefined || this.#links.has(name)) return
    this.#links.set(name, new DiscoveryLink(`the state of ${name} is not known yet`))
  }

  remove(name: string): void {
    this.#wanted.delete(name)
  }

  /**
   * After all changes of a turn: one neighbor may have taken the place of another on the same link, and the edge reports
   * the state of a link only when it changes.
   */
  forgetUnused(): void {
    for (const name of this.#links.keys()) if (this.on(name).length === 0) this.#links.delete(name)
  }

  /** Sorted by name. */
  get interfaces(): readonly string[] {
    return [...this.#links.keys()].sort()
  }

  on(name: string): PeerIntent[] {
    return [...this.#wanted.values()].filter((intent) => intent.interface === name)
  }

  link(name: string): DiscoveryLink | undefined {
    return this.#links.get(name)
  }

  /** Links have changed. The edge reports that a link is down only if it still is when the edge looks. */
  followLinks(touched: TouchedLinks, links: LinkTable): void {
    for (const [name, link] of this.#links) if (touched.names.has(name) && !links.isUp(name)) link.noteDown()
  }

  /** In the order in which they get an address that several have. */
  all(): PeerIntent[] {
    return [...this.#wanted.values()].sort((a, b) => (comesBefore(a, b) ? -1 : 1))
  }

  /** The neighbor as it can be run now: with the address of its router, or held until there is one. */
  resolve(intent: PeerIntent, rivalOf: RivalOf): PeerIntent {
    const link = this.#links.get(intent.interface ?? '')
    if (link === undefined) return intent
    const address = link.router?.address ?? UNKNOWN_ADDRESS
    const found = { ...intent, address, held: intent.held ?? whyNoNeighbor(link, intent.interface ?? '') }
    const other = link.router && rivalOf(found)
    if (other === undefined) return found
    return { ...found, held: intent.held ?? `the router ${address} is the neighbor ${other} already` }
  }

  /**
   * Returns a log line where the state of the link has changed. Input for an interface without a neighbor is ignored.
   */
  take(input: DiscoveryInput, hasSession: boolean, now: Millis): LogLine | undefined {
    const link = this.#links.get(input.interface)
    if (link === undefined) return undefined
    return input.kind === 'link' ? takeLink(link, input) : takeRouter(link, input, hasSession, now)
  }
}

function whyNoNeighbor(link: DiscoveryLink, name: string): string | undefined {
  if (link.error !== undefined) return link.error
  return link.router === undefined ? `no router advertisement has arrived on ${name} yet` : undefined
}

function takeLink(link: DiscoveryLink, input: Extract<Input, { kind: 'link' }>): LogLine | undefined {
  const { interface: name, error } = input
  if (link.error === error) return undefined
  link.setError(error)
  return error === undefined
    ? logLine('info', 'link-ready', `${name}: sending router advertisements and listening for a router`, {
        interface: name,
      })
    : logLine('warn', 'link-trouble', `${name}: ${error}`, { interface: name, reason: error })
}

function takeRouter(
  link: DiscoveryLink,
  { interface: name, address }: Extract<Input, { kind: 'router' }>,
  hasSession: boolean,
  now: Millis,
): LogLine | undefined {
  const { router: before, others } = link
  link.hear(address, hasSession, now)
  const { router } = link
  const fields = { interface: name, address }
  if (router?.address === address) {
    if (before?.address === address) return undefined
    return logLine('info', 'router-heard', `${name}: the neighbor is the router ${address}`, fields)
  }
  if (router === undefined || others.some((one) => one.address === address)) return undefined
  const text = `${name}: ${address} sends router advertisements too; ${router.address} was first and remains the neighbor`
  return logLine('warn', 'router-second', text, fields)
}
