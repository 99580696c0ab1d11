/** How much memory this process may use, and how it returns freed memory to the system. */
import { totalmem } from 'node:os'
import koffi from 'koffi'

/**
 * The share of the memory that routing tables may use: the rest is for objects of the cluster, buffers and the runtime.
 */
const SHARE = 0.5

/**
 * Octets for routing tables, from the memory limit of the container (its control group), or else from the machine's
 * memory.
 */
export function memoryForTables(): number {
  const all = totalmem()
  const limit = process.constrainedMemory()
  return Math.floor((limit > 0 ? Math.min(limit, all) : all) * SHARE)
}

/** mallopt(3), `malloc.h`. */
const M_MMAP_THRESHOLD = -3
const M_ARENA_MAX = -8
const THRESHOLD = 128 * 1024
/** Otherwise each thread of the runtime has a heap of its own, which never returns its peak memory. */
const ARENAS = 2

/**
 * Large arrays are mapped separately: pages that are never written take no memory, and all are returned when the array
 * is freed. glibc begins with that, but stops it for sizes that were freed once. Called before any table is created.
 */
export function mapLargeArrays(): void {
  let mallopt: (parameter: number, value: number) => number
  try {
    mallopt = koffi.load(null).func('mallopt', 'int', ['int', 'int'])
  } catch {
    // A C library other than glibc has neither this call nor this behavior.
    return
  }
  mallopt(M_MMAP_THRESHOLD, THRESHOLD)
  mallopt(M_ARENA_MAX, ARENAS)
}
