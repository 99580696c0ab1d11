/** Which boot of the kernel this is. */
import { readFileSync } from 'node:fs'

/** The same for as long as the machine runs, in every container; empty where the kernel does not say it. */
export function bootOfKernel(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
