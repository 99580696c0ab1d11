/**
 * Whether this machine is about to end, asked by an agent that runs on it without Kubernetes and is told to end: systemd says
 * `stopping` from the moment a shutdown or reboot is in its queue, and where another init runs, the runlevel is 0 or 6.
 */
import { execFile } from 'node:child_process'
import type { Millis } from '../../base/units.ts'

const PATIENCE: Millis = 1_000

/** Undefined: it goes on, or nobody says. */
export async function whyMachineEnds(): Promise<string | undefined> {
  const [state, runlevel] = await Promise.all([outputOf('systemctl', 'is-system-running'), outputOf('runlevel')])
  if (state === 'stopping') return 'the machine shuts down (systemd)'
  const level = /^\S+ ([06])$/.exec(runlevel)?.[1]
  if (level === undefined) return undefined
  return level === '6' ? 'the machine reboots (runlevel 6)' : 'the machine shuts down (runlevel 0)'
}

/** What a program prints, whatever it ends with: empty where there is none. */
const outputOf = (program: string, ...args: readonly string[]): Promise<string> =>
  new Promise((resolve) => {
    execFile(program, args, { timeout: PATIENCE, maxBuffer: 4_096 }, (_, stdout) => resolve(stdout.trim()))
  })
