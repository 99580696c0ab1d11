/**
 * Whether strangers call too often: more than `MOST` in a second, those counted that the kernel could not keep half open
 * (their SYNs may have any source). Then a filter drops them before anybody sees them, until it has had as little to do
 * for `CALM` seconds.
 */
import { readFileSync } from 'node:fs'
import type { Millis } from '../../base/units.ts'

/** Calls a second of whoever is no neighbor: a router with a wrong address calls a few times a minute. */
export const MOST = 100
/** Seconds in a row with no more than that. */
export const CALM = 10
const SECOND: Millis = 1_000
const FILE = '/proc/self/net/netstat'
/** Of all listeners of this network namespace, ours among them. */
const OVERFLOWS = ['ListenOverflows', 'TCPReqQFullDoCookies', 'TCPReqQFullDrop']

export interface FloodOptions {
  /** The filter is to be there, or no longer. */
  readonly filter: (isOn: boolean) => void
  /** Packets that the filter has dropped, ever. */
  readonly dropped: () => number
  /** `dropped` since the last time it was told. */
  readonly tell: (isOn: boolean, dropped: number) => void
  /** Calls that found no room in the kernel, ever. */
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

  /** While somebody listens. */
  start(): void {
    this.#timer ??= setInterval(() => this.second(), SECOND).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Somebody called who is no neighbor. */
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
    const dropped = this.#takeDropped()
    if (dropped > 0) this.#options.tell(true, dropped)
    this.#calm = dropped + calls > MOST ? 0 : this.#calm + 1
    if (this.#calm >= CALM) this.#turn(false)
  }

  #takeDropped(): number {
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
    this.#options.tell(isOn, 0)
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
