/** How much memory this process may have, and how it gives back what it had. */
import { totalmem } from 'node:os'
import koffi from 'koffi'

/** Of the memory there is: the other half is for the objects of the cluster, buffers and the runtime itself. */
const SHARE = 0.5

/** Octets for routing tables, by the limit of the container (its control group), or else by the machine's memory. */
export function memoryForTables(): number {
  const all = totalmem()
  const limit = process.constrainedMemory()
  return Math.floor((limit > 0 ? Math.min(limit, all) : all) * SHARE)
}

/** mallopt(3), `malloc.h`. */
const M_MMAP_THRESHOLD = -3
const M_ARENA_MAX = -8
const THRESHOLD = 128 * 1024
/** Otherwise each of the runtime's threads has a heap of its own, which never gives back what its busiest hour took. */
const ARENAS = 2

/**
 * Large arrays each have a mapping of their own: what of them is never written takes no memory, and all of it goes back
 * when they go. glibc begins so, but gives that up for sizes that were freed once. Before any table is made.
 */
export function mapLargeArrays(): void {
  let mallopt: (parameter: number, value: number) => number
  try {
    mallopt = koffi.load(null).func('mallopt', 'int', ['int', 'int'])
  } catch {
    // Another C library than glibc: it has no such call, and no such habit.
    return
  }
  mallopt(M_MMAP_THRESHOLD, THRESHOLD)
  mallopt(M_ARENA_MAX, ARENAS)
}
