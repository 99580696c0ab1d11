/**
 * The listening sockets: opens those that are wanted, keeps those that are open already, and closes the others. Accepted
 * connections stay open when their listener is closed.
 */
import type { Address } from '../../base/address.ts'
import type { Millis } from '../../base/units.ts'
import { type ListenerPlace, TcpListener, type TcpListenerOptions } from './tcp-listener.ts'

/** How often listeners of links look whether their link is the same one: it may go and come without a change of neighbors. */
const LOOK: Millis = 1_000

export class TcpListeners {
  readonly #options: TcpListenerOptions
  readonly #listeners = new Map<string, TcpListener>()
  /** Runs while links have listeners of their own. */
  #timer: NodeJS.Timeout | undefined
  #wanted: { readonly port: number; readonly addresses: readonly Address[] } | undefined

  constructor(options: TcpListenerOptions) {
    this.#options = options
  }

  /** The port and addresses to listen at from now on. No address means every address. */
  want(port: number, addresses: readonly Address[]): void {
    this.#wanted = { port, addresses }
    this.#openAndClose()
  }

  #openAndClose(): void {
    if (this.#wanted === undefined) return
    const { port, addresses } = this.#wanted
    const places = addresses.map((address): ListenerPlace => ({ address, port, link: undefined }))
    // A listener for single addresses needs none for links.
    const links = addresses.length === 0 ? [undefined, ...this.#options.links()] : []
    for (const link of links) places.push({ address: undefined, port, link })
    const wanted = new Map(places.map((place) => [`${place.address ?? '*'} ${port} ${place.link ?? ''}`, place]))
    for (const [key, listener] of this.#listeners) {
      if (wanted.has(key)) continue
      listener.close()
      this.#listeners.delete(key)
    }
    for (const [key, place] of wanted) {
      if (this.#listeners.has(key)) continue
      const allLinks = place.link === undefined ? undefined : this.#listeners.get(`* ${port} `)
      this.#listeners.set(key, new TcpListener(place, this.#options, allLinks))
    }
    this.#watchLinks(links.length > 1)
  }

  #watchLinks(isWanted: boolean): void {
    if (isWanted) this.#timer ??= setInterval(() => this.#lookAtLinks(), LOOK).unref()
    else this.#watchNoLinks()
  }

  #watchNoLinks(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #lookAtLinks(): void {
    for (const listener of this.#listeners.values()) listener.lookAtLink()
  }

  /** The protection of neighbors has changed, and with it perhaps the links that need a listener. */
  protect(): void {
    // The one for all links comes first: those of links depend on it.
    for (const listener of this.#listeners.values()) listener.protect()
    this.#openAndClose()
  }

  /** The filter has changed. */
  refilter(): void {
    for (const listener of this.#listeners.values()) listener.refilter()
  }

  /** What the open listeners have dropped. It falls when one of them is closed. */
  get dropped(): number {
    let sum = 0
    for (const listener of this.#listeners.values()) sum += listener.dropped
    return sum
  }

  close(): void {
    this.#watchNoLinks()
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
    this.#wanted = undefined
  }
}
