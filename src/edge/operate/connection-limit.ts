/**
 * A bounded number of connections.
 *
 * A newcomer is always admitted while any connection of its own kind is idle: the one that has been idle longest is
 * disconnected. A connection that is being answered is not. Therefore no client keeps others out by holding connections
 * open, and a connection is refused only when all others are being answered.
 */
export interface ConnectionLimits {
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

export class ConnectionLimit<Connection> {
  readonly #limits: ConnectionLimits
  readonly #callers = new Map<Connection, Caller>()
  /** Idle connections, the one that has been idle longest first. */
  readonly #idle = new Set<Connection>()
  readonly #perCaller = new Map<string, number>()
  #ordinary = 0
  #refused = 0

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
  }

  get open(): number {
    return this.#callers.size
  }

  /** Connections that were refused, and idle ones that were disconnected for others. */
  get refused(): number {
    return this.#refused
  }

  /**
   * Admits a connection, which is idle at first. Returns the connection to disconnect: none, an idle one, or the
   * newcomer itself.
   */
  admit(connection: Connection, caller: Caller): Connection | undefined {
    const closing = this.#whichToClose(caller, connection)
    if (closing !== undefined) this.#refused++
    if (closing === connection) return connection
    if (closing !== undefined) this.remove(closing)
    this.#callers.set(connection, caller)
    this.#idle.add(connection)
    this.#perCaller.set(caller.name, (this.#perCaller.get(caller.name) ?? 0) + 1)
    if (!caller.privileged) this.#ordinary++
    return closing
  }

  /** A request of it is being answered. */
  setBusy(connection: Connection): void {
    this.#idle.delete(connection)
  }

  /** It was answered, and may ask again. */
  setIdle(connection: Connection): void {
    if (!this.#callers.has(connection)) return
    this.#idle.delete(connection)
    this.#idle.add(connection)
  }

  remove(connection: Connection): void {
    const caller = this.#callers.get(connection)
    if (caller === undefined) return
    this.#callers.delete(connection)
    this.#idle.delete(connection)
    const left = (this.#perCaller.get(caller.name) ?? 1) - 1
    if (left === 0) this.#perCaller.delete(caller.name)
    else this.#perCaller.set(caller.name, left)
    if (!caller.privileged) this.#ordinary--
  }

  #whichToClose(caller: Caller, newcomer: Connection): Connection | undefined {
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
  #idlest(may: (caller: Caller) => boolean): Connection | undefined {
    for (const connection of this.#idle) {
      const caller = this.#callers.get(connection)
      if (caller !== undefined && may(caller)) return connection
    }
    return undefined
  }
}
