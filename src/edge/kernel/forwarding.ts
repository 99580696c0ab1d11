/**
 * Checks whether this machine forwards packets: where it does not, traffic to our routes is attracted and dropped. The
 * kernel sends no event when that setting changes, so it is read from time to time.
 *
 * Out: object changes of kind `source-problem`, which are among the problems of `show status` and `configure check`.
 */
import { readFileSync } from 'node:fs'
import { FAMILIES, FAMILY_WORDS, type Family } from '../../base/family.ts'
import type { Millis } from '../../base/units.ts'
import type { Input } from '../../engine/input.ts'

const RECHECK: Millis = 10_000

const FORWARDING_SETTINGS: Readonly<Record<Family, string>> = {
  ipv4: 'net.ipv4.ip_forward',
  ipv6: 'net.ipv6.conf.all.forwarding',
}

export interface ForwardingOptions {
  readonly feed: (input: Input) => void
  /** The value of a setting; undefined where the kernel does not have it. */
  readonly read?: (setting: string) => string | undefined
}

export class Forwarding {
  readonly #feed: (input: Input) => void
  readonly #read: (setting: string) => string | undefined
  readonly #off = new Set<Family>()
  #timer: NodeJS.Timeout | undefined

  constructor({ feed, read = readSetting }: ForwardingOptions) {
    this.#feed = feed
    this.#read = read
  }

  open(): void {
    this.look()
    this.#timer = setInterval(() => this.look(), RECHECK).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** The families in which it is not known to be off. */
  get families(): readonly Family[] {
    return FAMILIES.filter((family) => !this.#off.has(family))
  }

  look(): void {
    for (const family of FAMILIES) {
      const setting = FORWARDING_SETTINGS[family]
      const off = this.#read(setting) === '0'
      if (off === this.#off.has(family)) continue
      if (off) this.#off.add(family)
      else this.#off.delete(family)
      const text = off
        ? `is 0: this node forwards no ${FAMILY_WORDS[family]} packets; sysctl -w ${setting}=1`
        : undefined
      this.#feed({ kind: 'objects', changes: [{ kind: 'source-problem', at: setting, text, level: 'warning' }] })
    }
  }
}

function readSetting(setting: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${setting.replaceAll('.', '/')}`, 'utf8').trim()
  } catch {
    return undefined
  }
}
