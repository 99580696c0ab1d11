/** Which sessions come and go. Each is judged by itself: in the sum of a mesh, nodes that join look the same. */
import type { Millis } from '../../base/units.ts'

const WINDOW: Millis = 15 * 60_000
/** That often within the window is no flap. */
const CALM = 3
/** Beyond this the peer whose session has been up longest is forgotten. */
const MOST_PEERS = 16_384

export class Flaps {
  /** By peer, the last times that its session came up. */
  readonly #times = new Map<string, readonly Millis[]>()

  /** The session comes up: whether it did so too often in the time before. */
  isFlap(peer: string, now: Millis): boolean {
    const times = (this.#times.get(peer) ?? []).filter((time) => time > now - WINDOW)
    this.#times.delete(peer)
    this.#times.set(peer, [...times, now].slice(-CALM))
    const [oldest] = this.#times.size > MOST_PEERS ? this.#times.keys() : []
    if (oldest !== undefined) this.#times.delete(oldest)
    return times.length >= CALM
  }
}
