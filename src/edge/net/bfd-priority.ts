/** Gives the calling thread real-time priority, so that a busy machine does not delay BFD. */
import koffi from 'koffi'
import type { Micros } from '../../base/units.ts'
import type { Priority } from '../../bfd/types.ts'
import { errnoText } from '../error-text.ts'

// Numbers of Linux. For both calls 0 means the thread that calls.
const SCHED_RR = 2
/** Threads that ours starts run with normal priority. */
const SCHED_RESET_ON_FORK = 0x40000000
/** The lowest real-time priority: before all normal threads, after the kernel's own real-time threads. */
const LOWEST_REAL_TIME = 1
const PRIO_PROCESS = 0
const HIGHEST_NICE_PRIORITY = -20

export function raisePriority(): Priority {
  const libc = koffi.load(null)
  const setScheduler = libc.func('sched_setscheduler', 'int', ['int', 'int', 'void *'])
  const setNice = libc.func('setpriority', 'int', ['int', 'uint32_t', 'int'])
  if (setScheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, Int32Array.of(LOWEST_REAL_TIME)) === 0) {
    return { kind: 'real-time', error: undefined }
  }
  const error = errnoText(koffi.errno())
  return { kind: setNice(PRIO_PROCESS, 0, HIGHEST_NICE_PRIORITY) === 0 ? 'nice' : 'none', error }
}

/**
 * On a busy machine a thread without priority is late by up to 43 ms, with priority by 8 ms: such a delay must not look
 * like three lost packets.
 */
const SHORTEST: Readonly<Record<Priority['kind'], Micros>> = { 'real-time': 10_000, nice: 10_000, none: 50_000 }

/** The shortest interval that can be kept. */
export const leastIntervalWith = ({ kind }: Priority): Micros => SHORTEST[kind]
