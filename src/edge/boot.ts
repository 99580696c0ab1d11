/** The boot ID of the kernel. */
import { readFileSync } from 'node:fs'

/** Constant while the machine runs, and equal in every container; empty where the kernel does not report it. */
export function bootOfKernel(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
