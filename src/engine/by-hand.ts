/**
 * What people asked of this agent by command: neighbors that are disabled or drained, and that this node leaves. It holds
 * until they take it back or the machine reboots, and so it outlives the agent, and neighbors from ranges (`peerRange`)
 * that come and go.
 */
import { same } from '../cluster/same.ts'
import { type LogLine, logLine } from './log-line.ts'
import type { Neighbor } from './neighbors.ts'

/** Reasons, as they were given; undefined: not disabled, not drained. */
type Asked = Pick<Neighbor, 'disabled' | 'drained'>

interface AskedOf extends Asked {
  /** Name of the neighbor. */
  readonly name: string
  /** Name of the range that it connects from. */
  readonly range: string | undefined
}

/** How this node left: sessions have ended, or neighbors were still being asked to prefer other paths. */
export interface LeftNode {
  readonly reason: string
  readonly isGone: boolean
  /** By objects, which may have changed since: then it does not hold. */
  readonly byObjects: boolean
}

/** What the next run must know. */
export interface ByHandDocument {
  /** The kernel's boot ID: a reboot forgets everything. */
  readonly boot: string
  readonly neighbors: readonly AskedOf[]
  readonly leaving?: LeftNode | undefined
  /** Why objects ask this node to leave although leaving was cancelled by hand. */
  readonly staying?: string | undefined
}

/** The most neighbors that are kept for the next run. */
const MOST = 8_192
/** As long as a shutdown message may be (RFC 9003). */
const LONGEST_REASON = 255
const NOTHING: Asked = { disabled: undefined, drained: undefined }

/** A document of an earlier run; undefined where the value is none. */
export function readByHand(value: unknown): ByHandDocument | undefined {
  const { boot, neighbors, leaving, staying } = (value ?? {}) as Readonly<Record<string, unknown>>
  if (typeof boot !== 'string' || !Array.isArray(neighbors)) return undefined
  const read = neighbors.slice(0, MOST).map(readAskedOf)
  return {
    boot,
    neighbors: read.filter((one) => one !== undefined),
    leaving: readLeft(leaving),
    staying: textOf(staying),
  }
}

function readAskedOf(value: unknown): AskedOf | undefined {
  const { name, range, disabled, drained } = (value ?? {}) as Readonly<Record<string, unknown>>
  if (typeof name !== 'string') return undefined
  return { name, range: textOf(range), disabled: textOf(disabled), drained: textOf(drained) }
}

function readLeft(value: unknown): LeftNode | undefined {
  const { reason, isGone, byObjects } = (value ?? {}) as Readonly<Record<string, unknown>>
  if (typeof reason !== 'string') return undefined
  return { reason, isGone: isGone === true, byObjects: byObjects === true }
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

export class ByHand {
  readonly #boot: string
  readonly #asked = new Map<string, AskedOf>()
  #left: LeftNode | undefined
  #staying: string | undefined
  /** This run has not yet gone on with what the previous one left. */
  #isLeftAwaited = true
  #isSettled = false
  /** Grows with every change. */
  #revision = 0
  #remembered = 0

  /** `boot`: of the kernel; empty where that cannot be known: then nothing outlives the agent. */
  constructor(boot: string) {
    this.#boot = boot
  }

  /** The document of the previous run. */
  take(document: ByHandDocument | undefined): void {
    if (document === undefined || document.boot !== this.#boot || this.#boot === '') return
    for (const one of document.neighbors) this.#asked.set(one.name, one)
    this.#left = document.leaving
    this.#staying = document.staying
  }

  /** How this node had left when the previous run ended; undefined from the second time. */
  takeLeft(): LeftNode | undefined {
    const left = this.#isLeftAwaited ? this.#left : undefined
    this.#isLeftAwaited = false
    return left
  }

  /** Why objects ask this node to leave although leaving was cancelled by hand; undefined: they do not, or it was not. */
  get staying(): string | undefined {
    return this.#staying
  }

  noteStaying(reason: string | undefined): void {
    if (reason === this.#staying) return
    this.#revision++
    this.#staying = reason
  }

  of(name: string): Asked {
    return this.#asked.get(name) ?? NOTHING
  }

  /** After a command. `range`: that it connects from. */
  note({ name, disabled, drained }: Neighbor, range: string | undefined): void {
    const { disabled: wasDisabled, drained: wasDrained } = this.of(name)
    if (disabled === wasDisabled && drained === wasDrained) return
    this.#revision++
    if (disabled === undefined && drained === undefined) this.#asked.delete(name)
    else this.#asked.set(name, { name, range, disabled, drained })
  }

  /** A neighbor is made, or named by an object: from here on this range, or no range, defines it. */
  noteRange(name: string, range: string | undefined): void {
    const asked = this.#asked.get(name)
    if (asked === undefined || asked.range === range) return
    this.#revision++
    this.#asked.set(name, { ...asked, range })
  }

  /** A neighbor has another name now. */
  rename(from: string, name: string): void {
    const asked = this.#asked.get(from)
    if (asked === undefined) return
    this.#revision++
    this.#asked.delete(from)
    this.#asked.set(name, { ...asked, name })
  }

  /** A range has another name now, and so have its hosts, also those that are not connected. */
  renameRange(from: string, range: string, renamedHost: (name: string) => string): void {
    for (const asked of [...this.#asked.values()]) {
      if (asked.range !== from) continue
      const name = renamedHost(asked.name)
      // A neighbor that has the name already keeps what was asked of it.
      if (name !== asked.name && this.#asked.has(name)) this.forget(asked.name)
      else {
        this.rename(asked.name, name)
        this.noteRange(name, range)
      }
    }
  }

  noteLeaving(left: LeftNode | undefined): void {
    if (this.#isLeftAwaited) return
    if (same(left, this.#left)) return
    this.#revision++
    this.#left = left
  }

  /** No object defines this neighbor, or this range, any more. */
  forget(gone: string): void {
    this.#forget(({ name, range }) => name === gone || range === gone)
  }

  /**
   * All objects are known for the first time: of neighbors that no object defines any more nothing is kept. Returns the
   * others.
   */
  settle(isKnown: (name: string) => boolean): readonly string[] {
    if (this.#isSettled) return []
    this.#isSettled = true
    this.#forget(({ name, range }) => !isKnown(range ?? name))
    return [...this.#asked.keys()]
  }

  #forget(isGone: (one: AskedOf) => boolean): void {
    for (const one of [...this.#asked.values()]) {
      if (isGone(one) && this.#asked.delete(one.name)) this.#revision++
    }
  }

  /** The document for the next run, where it has changed. */
  remember(): ByHandDocument | undefined {
    if (this.#revision === this.#remembered || this.#boot === '') return undefined
    this.#remembered = this.#revision
    const neighbors = [...this.#asked.values()].slice(0, MOST).map(inShort)
    return { boot: this.#boot, neighbors, leaving: this.#left, staying: this.#staying }
  }
}

const inShort = ({ disabled, drained, ...one }: AskedOf): AskedOf => ({
  ...one,
  disabled: disabled?.slice(0, LONGEST_REASON),
  drained: drained?.slice(0, LONGEST_REASON),
})

/** At a start: what still holds. */
export function askedBeforeLine(names: readonly string[]): LogLine {
  const [some, more] = [names.slice(0, 5).join(', '), names.length > 5 ? ` and ${names.length - 5} more` : '']
  const text = `disabled or drained by hand, as before the restart: ${some}${more}`
  return logLine('info', 'by-hand', text, { neighbors: names.length })
}

/** Why a session ended, or does not start. */
export const byHand = (done: 'disabled' | 'restarted', message: string): string =>
  `${done} by hand${message === '' ? '' : `: ${message}`}`
