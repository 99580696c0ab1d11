/**
 * The log: each LogLine becomes one line of JSON on stdout, `{level, time, code, msg, ...fields}`. Lines are written
 * without waiting: a reader that does not read loses lines, but delays no KEEPALIVE, and delays the end of the process
 * by at most about a second (`line-writer.ts`). Repeated lines are limited (`log-rate-limit.ts`).
 */
import { pino, stdTimeFunctions } from 'pino'
import { plainText } from '../../base/plain-text.ts'
import type { Millis } from '../../base/units.ts'
import type { LogLine } from '../../engine/log-line.ts'
import { systemClock } from '../clock.ts'
import { openWithoutWaiting } from '../standard-streams.ts'
import { LineWriter } from './line-writer.ts'
import { LogRateLimit } from './log-rate-limit.ts'

export interface Log {
  write(line: LogLine): void
  /** Writes lines that are still queued, as far as the reader takes them. Lines written after it are ignored. */
  end(): void
}

export interface LogOptions {
  readonly level: LogLine['level'] | 'silent'
  /** Where lines go; stdout if not given. */
  readonly to?: { write(line: string): void; end?(): void }
}

/** How often lines about left-out lines are written. */
const LEFT_OUT: Millis = 10_000
const RESERVED = new Set(['level', 'time', 'code', 'msg'])
const SECRETS = /password|secret|token|^key$/i

export function openLog({ level, to = new LineWriter(openWithoutWaiting(1)) }: LogOptions): Log {
  const out = pino(
    { level, base: null, timestamp: stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    to,
  )
  const limit = new LogRateLimit()
  const print = (line: LogLine): void => out[line.level](fieldsOf(line), plainText(line.text))
  const writeLeftOut = () => limit.takeLeftOut(systemClock.now()).forEach(print)
  setInterval(writeLeftOut, LEFT_OUT).unref()
  return {
    write: (line) => {
      const admitted = out.isLevelEnabled(line.level) ? limit.admit(line, systemClock.now()) : undefined
      if (admitted !== undefined) print(admitted)
    },
    end: () => to.end?.(),
  }
}

/** A field with the name of one of the line's own becomes `detailCode`, `detailTime` …; a secret is never written. */
function fieldsOf(line: LogLine): Record<string, unknown> {
  const fields: Record<string, unknown> = { code: line.code }
  for (const [name, value] of Object.entries(line.fields)) {
    const key = RESERVED.has(name) ? `detail${name.charAt(0).toUpperCase()}${name.slice(1)}` : name
    fields[key] = SECRETS.test(name) ? '(hidden)' : typeof value === 'string' ? plainText(value) : value
  }
  return fields
}
