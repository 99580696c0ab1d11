/** Signals that programs are sent by custom, to read their files or to open their log again, and that mean nothing here. */
import { type LogLine, logLine } from '../../engine/log-line.ts'

/**
 * Left alone, SIGHUP ends a process. At SIGUSR1 Node opens its debugger on a port of this machine: whoever reaches that can
 * read all keys, and do whatever the process may do.
 */
export function ignoreSignals(signals: readonly NodeJS.Signals[], say: (line: LogLine) => void): void {
  for (const signal of signals) process.on(signal, () => say(logLine('info', 'signal', `${signal}: nothing to do`)))
}
