/**
 * A bounded number of connections at one door.
 *
 * A newcomer is always seated while any connection of its own kind is idle: the one that has been idle longest gives up
 * its seat. A connection that is being answered keeps it. Therefore no client keeps others out by holding connections
 * open, and only a listener whose every seat is busy refuses a connection.
 */
export interface SeatLimits {
  /** Connections at once. */
  readonly most: number
  /** Connections at once of one caller. */
  readonly mostPerCaller: number
  /** Of `most`, so many are kept for callers that are `privileged`. */
  readonly reserved: number
}

export interface Caller {
  /** Who it is, as far as the limit per caller goes: an address, a user. */
  readonly name: string
  readonly privileged: boolean
}

export class Seats<Guest> {
  readonly #limits: SeatLimits
  readonly #callers = new Map<Guest, Caller>()
  /** Idle guests, the one that has been idle longest first. */
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

  /** Connections that found no seat, and those that had to give theirs up. */
  get turnedAway(): number {
    return this.#turnedAway
  }

  /**
   * Seats a guest, which is idle at first. Returns the guest to disconnect: none, an idle one, or the newcomer itself.
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

  /** What it asked for is being answered. */
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

  /** At most `most` are looked at. */
  #idlest(may: (caller: Caller) => boolean): Guest | undefined {
    for (const guest of this.#idle) {
      const caller = this.#callers.get(guest)
      if (caller !== undefined && may(caller)) return guest
    }
    return undefined
  }
}
