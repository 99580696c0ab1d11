/**
 * A bounded number of connections.
 *
 * A newcomer is always admitted while any connection of its own kind is idle: the one that has been idle longest is
 * disconnected. A connection that is being answered keeps its seat. Therefore no client keeps others out by holding
 * connections open, and a connection is refused only when every seat is busy.
 */
export interface SeatLimits {
  /** Connections at once. */
  readonly most: number
  /** Connections of one caller at once. */
  readonly mostPerCaller: number
  /** How many of `most` are reserved for `privileged` callers. */
  readonly reserved: number
}

export interface Caller {
  /** The caller for the limit per caller: an address, a user. */
  readonly name: string
  readonly privileged: boolean
}

export class Seats<Guest> {
  readonly #limits: SeatLimits
  readonly #callers = new Map<Guest, Caller>()
  /** Idle connections, the one that has been idle longest first. */
  readonly #idle = new Set<Guest>()
  readonly #perCaller = new Map<string, number>()
  #ordinary = 0
  #turnedAway = 0

  constructor(limits: SeatLimits) {
    this.#limits = limits
  }

  get taken(): number {
    return this.#callers.size
  }

  /** Connections that were refused, and idle ones that were disconnected for others. */
  get turnedAway(): number {
    return this.#turnedAway
  }

  /**
   * Admits a connection, which is idle at first. Returns the connection to disconnect: none, an idle one, or the
   * newcomer itself.
   */
  take(guest: Guest, caller: Caller): Guest | undefined {
    const leaving = this.#whoLeavesFor(caller, guest)
    if (leaving !== undefined) this.#turnedAway++
    if (leaving === guest) return guest
    if (leaving !== undefined) this.leave(leaving)
    this.#callers.set(guest, caller)
    this.#idle.add(guest)
    this.#perCaller.set(caller.name, (this.#perCaller.get(caller.name) ?? 0) + 1)
    if (!caller.privileged) this.#ordinary++
    return leaving
  }

  /** A request of it is being answered. */
  setBusy(guest: Guest): void {
    this.#idle.delete(guest)
  }

  /** It was answered, and may ask again. */
  setIdle(guest: Guest): void {
    if (!this.#callers.has(guest)) return
    this.#idle.delete(guest)
    this.#idle.add(guest)
  }

  leave(guest: Guest): void {
    const caller = this.#callers.get(guest)
    if (caller === undefined) return
    this.#callers.delete(guest)
    this.#idle.delete(guest)
    const left = (this.#perCaller.get(caller.name) ?? 1) - 1
    if (left === 0) this.#perCaller.delete(caller.name)
    else this.#perCaller.set(caller.name, left)
    if (!caller.privileged) this.#ordinary--
  }

  #whoLeavesFor(caller: Caller, newcomer: Guest): Guest | undefined {
    const { most, mostPerCaller, reserved } = this.#limits
    if ((this.#perCaller.get(caller.name) ?? 0) >= mostPerCaller) {
      return this.#idlest((other) => other.name === caller.name) ?? newcomer
    }
    const ordinaryAreFull = !caller.privileged && this.#ordinary >= most - reserved
    if (ordinaryAreFull) return this.#idlest((other) => !other.privileged) ?? newcomer
    if (this.#callers.size < most) return undefined
    return this.#idlest((other) => !other.privileged) ?? this.#idlest(() => true) ?? newcomer
  }

  /** At most `most` are checked. */
  #idlest(may: (caller: Caller) => boolean): Guest | undefined {
    for (const guest of this.#idle) {
      const caller = this.#callers.get(guest)
      if (caller !== undefined && may(caller)) return guest
    }
    return undefined
  }
}
