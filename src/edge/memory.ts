/** How much memory this process may use, and how it returns freed memory to the system. */
import { totalmem } from 'node:os'
import { setFlagsFromString } from 'node:v8'
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

/** Garbage, in percent of what is alive, after which all of the heap is collected. */
const GARBAGE_PERCENT = 25

/**
 * Called once the first lists are in. Until then nearly all that is read stays, and `deploy/Dockerfile` lets the heap grow by
 * more: to collect all of it each time it had grown by a quarter took a fifth of the CPU time until the first route. Afterwards
 * most of what is read becomes garbage, and less of it stays resident.
 */
export const collectOftenFromNowOn = (): void => setFlagsFromString(`--heap-growing-percent=${GARBAGE_PERCENT}`)
