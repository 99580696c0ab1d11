/**
 * Leaving without loss: first all routes are advertised with GRACEFUL_SHUTDOWN (RFC 8326) and neighbors have time to
 * move traffic, then all routes are withdrawn, then sessions end with a shutdown message (RFC 9003). The agent keeps
 * running. It advertises again on command, or when the reason for leaving no longer holds.
 */
import type { Millis } from '../base/units.ts'
import { CEASE } from '../bgp/wire/notification.ts'
import type { LeftNode } from './by-hand.ts'
import { type Stage, whyLeft } from './leaving-stage.ts'
import { logLine } from './log-line.ts'
import type { Neighbor, Neighbors } from './neighbors.ts'
import type { Objects } from './objects.ts'
import type { Outbox } from './outbox.ts'
import type { Sessions } from './sessions.ts'

/** How long neighbors have to move traffic before routes are withdrawn. */
const MOVE: Millis = 10_000
/** How long neighbors have to read the withdrawals. */
const READ: Millis = 2_000
/** From the beginning to the end of leaving. */
export const FAREWELL: Millis = MOVE + READ

/** Neighbors that enter a stage in one turn. */
const AT_ONCE = 32

interface Rooms {
  readonly neighbors: Neighbors
  readonly sessions: Sessions
  readonly objects: Objects
  readonly out: Outbox
}

export class Leaving {
  readonly #rooms: Rooms
  #stage: Stage = 'here'
  #reason = ''
  #byObjects = false
  #next: Millis | undefined
  /** Neighbors that may not be in the present stage yet. */
  #followers: readonly Neighbor[] = []
  #followed = 0

  constructor(rooms: Rooms) {
    this.#rooms = rooms
  }

  get stage(): Stage {
    return this.#stage
  }

  get reason(): string {
    return this.#reason
  }

  /** Begun by objects: it ends when they no longer ask for it, whatever reason they gave meanwhile. */
  get byObjects(): boolean {
    return this.#byObjects
  }

  deadline(): Millis | undefined {
    return this.#next
  }

  /** Returns whether leaving began now. */
  begin(reason: string, now: Millis, byObjects = false): boolean {
    if (this.#stage !== 'here') return false
    this.#reason = reason
    this.#byObjects = byObjects
    this.#enter('drained', now + MOVE, now)
    this.#rooms.out.log(
      logLine('info', 'leaving', `leaving: ${reason}; neighbors are asked to prefer other paths`, { reason }),
    )
    return true
  }

  /** A person asks for what objects began: now it holds until a person takes it back. Returns whether objects began it. */
  takeOver(reason: string): boolean {
    if (this.#stage === 'here' || !this.#byObjects) return false
    this.#byObjects = false
    this.#reason = reason
    this.#rooms.objects.leaving = { stage: this.#stage, reason }
    this.#rooms.out.log(logLine('info', 'leaving', `leaving by hand from here on: ${reason}`, { reason }))
    return true
  }

  /** Goes on with what the previous run began; its sessions may have ended. Returns whether it does. */
  goOn({ reason, isGone, byObjects }: LeftNode, now: Millis): boolean {
    if (this.#stage !== 'here') return false
    this.#reason = reason
    this.#byObjects = byObjects
    this.#enter(isGone ? 'gone' : 'drained', undefined, now)
    const text = `this node ${isGone ? 'has left' : 'is leaving'}, as before the restart: ${reason}`
    this.#rooms.out.log(logLine('info', 'leaving', text, { reason }))
    return true
  }

  /** From here on neighbors have time: after a restart, routes are advertised later than they are known. */
  count(now: Millis): void {
    if (this.#stage === 'drained') this.#next ??= now + MOVE
  }

  /** Returns to normal from any stage. */
  cancel(now: Millis): void {
    if (this.#stage === 'here') return
    this.#byObjects = false
    this.#enter('here', undefined, now)
    this.#rooms.out.log(
      logLine('info', 'leaving-ended', 'no longer leaving: all routes are advertised to neighbors again', {}),
    )
  }

  step(now: Millis): void {
    if (this.#next === undefined || now < this.#next) return
    if (this.#stage === 'drained') this.#enter('withdrawn', now + READ, now)
    else {
      this.#enter('gone', undefined, now)
      this.#rooms.out.log(logLine('info', 'left', `left: ${this.#reason}`, { reason: this.#reason }))
    }
  }

  #enter(stage: Stage, next: Millis | undefined, now: Millis): void {
    this.#stage = stage
    this.#next = next
    this.#rooms.objects.leaving = { stage, reason: this.#reason }
    this.#followers = this.#rooms.neighbors.all()
    this.#followed = 0
    this.advance(now)
  }

  /** Some neighbors can enter the stage at once. */
  get isBusy(): boolean {
    return this.#followed < this.#followers.length
  }

  /** The part of one turn: there may be thousands of neighbors. */
  advance(now: Millis): void {
    const end = Math.min(this.#followed + AT_ONCE, this.#followers.length)
    for (; this.#followed < end; this.#followed++) {
      const neighbor = this.#followers[this.#followed] as Neighbor
      // Objects may have removed it meanwhile.
      if (this.#rooms.neighbors.get(neighbor.name) === neighbor) this.#follow(neighbor, now)
    }
    if (this.isBusy) return
    this.#followers = []
    this.#followed = 0
  }

  #follow(neighbor: Neighbor, now: Millis): void {
    const before = neighbor.leaving
    neighbor.leaving = this.#stage
    this.#rooms.sessions.refit(neighbor, now)
    if (this.#stage === 'gone') this.#stop(neighbor, now)
    else if (before === 'gone' && neighbor.disabled === undefined) this.#rooms.objects.startAgain(neighbor, now)
  }

  #stop(neighbor: Neighbor, now: Millis): void {
    const reason = this.#reason
    const stop = { kind: 'stop', subcode: CEASE.adminShutdown, text: reason, reason: whyLeft(reason) } as const
    this.#rooms.sessions.handle(neighbor, stop, now)
  }
}
