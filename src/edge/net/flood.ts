/**
 * Decides whether strangers (hosts that are no neighbor) connect too often: more than `MOST` times in a second,
 * including connections that overflowed the kernel's queue of half-open ones (their SYNs may have any source). Then a
 * filter drops them in the kernel, until there have been no more than that for `CALM` seconds.
 */
import { readFileSync } from 'node:fs'
import type { Millis } from '../../base/units.ts'

/** Connections of strangers per second. A router with a wrong address connects a few times a minute. */
export const MOST = 100
/** The flood is over after so many seconds in a row with no more than that. */
export const CALM = 10
const SECOND: Millis = 1_000
const FILE = '/proc/self/net/netstat'
/** Counts all listeners of this network namespace, ours included. */
const OVERFLOWS = ['ListenOverflows', 'TCPReqQFullDoCookies', 'TCPReqQFullDrop']

export interface FloodOptions {
  /** Installs or removes the filter. */
  readonly filter: (isOn: boolean) => void
  /** How many packets the filters of all open listeners have dropped. It falls when one is closed. */
  readonly dropped: () => number
  /** Reports that the filter was turned on or off, or that it has dropped so many packets since the last report. */
  readonly report: (isOn: boolean, dropped: number) => void
  /** Connections for which the kernel had no room, since it started. */
  readonly overflows?: () => number
}

export class Flood {
  readonly #options: FloodOptions
  readonly #overflows: () => number
  #strangers = 0
  #isOn = false
  #calm = 0
  #dropped = 0
  #overflown: number
  #timer: NodeJS.Timeout | undefined

  constructor(options: FloodOptions) {
    this.#options = options
    this.#overflows = options.overflows ?? (() => overflowsIn(read(FILE)))
    this.#overflown = this.#overflows()
  }

  get isOn(): boolean {
    return this.#isOn
  }

  /** Called while a listener is open. */
  start(): void {
    this.#timer ??= setInterval(() => this.second(), SECOND).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** A host that is not a neighbor has connected. */
  stranger(): void {
    this.#strangers++
    if (this.#strangers > MOST && !this.#isOn) this.#turn(true)
  }

  /** A second has passed. */
  second(): void {
    const overflown = this.#overflows()
    const calls = this.#strangers + Math.max(0, overflown - this.#overflown)
    this.#overflown = overflown
    this.#strangers = 0
    if (!this.#isOn) {
      if (calls > MOST) this.#turn(true)
      return
    }
    const dropped = this.#droppedSinceLast()
    if (dropped > 0) this.#options.report(true, dropped)
    this.#calm = dropped + calls > MOST ? 0 : this.#calm + 1
    if (this.#calm >= CALM) this.#turn(false)
  }

  #droppedSinceLast(): number {
    const all = this.#options.dropped()
    const dropped = Math.max(0, all - this.#dropped)
    this.#dropped = all
    return dropped
  }

  #turn(isOn: boolean): void {
    this.#isOn = isOn
    this.#calm = 0
    this.#dropped = this.#options.dropped()
    this.#options.filter(isOn)
    this.#options.report(isOn, 0)
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** A line of names, then one of values with the same first word. */
export function overflowsIn(netstat: string): number {
  const [names = [], values = []] = netstat
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '))
  return OVERFLOWS.reduce((sum, name) => sum + Number(values[names.indexOf(name)] ?? 0), 0)
}
