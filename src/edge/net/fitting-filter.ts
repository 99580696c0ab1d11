/**
 * Attaches a filter as large as the socket has room for. Filters and keys share the memory that the kernel gives to the options
 * of one socket (`net.core.optmem_max`): before Linux 6.7 by default 20 KiB, which a filter of some thousand instructions
 * does not fit into.
 */
import { attachFilter, CallError, detachFilter, type FilterRow } from '../libc.ts'
import { MOST_INSTRUCTIONS } from './bpf.ts'

/** Instructions to try, one after the other. */
const SIZES = [MOST_INSTRUCTIONS, 1_024, 256, 64]

/** `make` gives a filter of so many instructions at most. Where even the smallest finds no room, the socket has no filter. */
export function attachFitting(fd: number, make: (most: number) => readonly FilterRow[]): void {
  for (const most of SIZES) {
    try {
      attachFilter(fd, make(most))
      return
    } catch (error) {
      if (!(error instanceof CallError && error.code === 'ENOMEM')) throw error
      // The old filter takes room until another one is in its place.
      detachFilter(fd)
    }
  }
}
