/**
 * The log: each Tell becomes one line of JSON on stdout, `{level, time, code, msg, ...fields}`.
 * Lines are handed to the system without waiting; a reader that stands still costs lines, never a keepalive.
 */
import { type DestinationStream, destination, pino, stdTimeFunctions } from 'pino'
import type { Tell } from '../../engine/tell.ts'

export interface Log {
  tell(tell: Tell): void
  /** Writes what is still held back; for the end of the process. */
  flush(): void
}

export interface LogOptions {
  readonly level: Tell['level'] | 'silent'
  /** Where lines go; stdout if not given. */
  readonly to?: DestinationStream
}

/** Lines held for a reader that does not read; what is beyond is dropped. */
const MOST_HELD_BYTES = 4 * 1024 * 1024
const RESERVED = new Set(['level', 'time', 'code', 'msg'])
const SECRETS = /password|secret|token|^key$/i

export function openLog({ level, to }: LogOptions): Log {
  const stdout = to === undefined ? destination({ fd: 1, sync: false, maxLength: MOST_HELD_BYTES }) : undefined
  // Without this, a closed pipe would end the process.
  stdout?.on('error', () => {})
  const out = pino(
    { level, base: null, timestamp: stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    to ?? stdout ?? process.stdout,
  )
  return {
    tell: (tell) => out[tell.level](fieldsOf(tell), tell.text),
    flush: () => {
      try {
        stdout?.flushSync()
      } catch {
        // Nobody reads: there is nowhere left to say so.
      }
    },
  }
}

/** A field named like one of the line's own stands as `detailCode`, `detailTime` …; a secret never stands at all. */
function fieldsOf(tell: Tell): Record<string, unknown> {
  const fields: Record<string, unknown> = { code: tell.code }
  for (const [name, value] of Object.entries(tell.fields)) {
    const key = RESERVED.has(name) ? `detail${name.charAt(0).toUpperCase()}${name.slice(1)}` : name
    fields[key] = SECRETS.test(name) ? '(hidden)' : value
  }
  return fields
}
