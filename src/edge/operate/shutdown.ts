/**
 * Finds out whether this machine is shutting down, for an agent without Kubernetes that gets SIGTERM: systemd reports
 * `stopping` from the moment a shutdown or reboot is queued; with another init, the runlevel is 0 or 6.
 */
import { execFile } from 'node:child_process'
import type { Millis } from '../../base/units.ts'

const TIMEOUT: Millis = 1_000

/** Undefined: the machine stays up, or that cannot be known. */
export async function whyMachineEnds(): Promise<string | undefined> {
  const [state, runlevel] = await Promise.all([outputOf('systemctl', 'is-system-running'), outputOf('runlevel')])
  if (state === 'stopping') return 'the machine shuts down (systemd)'
  const level = /^\S+ ([06])$/.exec(runlevel)?.[1]
  if (level === undefined) return undefined
  return level === '6' ? 'the machine reboots (runlevel 6)' : 'the machine shuts down (runlevel 0)'
}

/** The output of a program, whatever its exit code: empty where there is no such program. */
const outputOf = (program: string, ...args: readonly string[]): Promise<string> =>
  new Promise((resolve) => {
    execFile(program, args, { timeout: TIMEOUT, maxBuffer: 4_096 }, (_, stdout) => resolve(stdout.trim()))
  })
