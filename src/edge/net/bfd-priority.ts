/** Lets the calling thread run before others, so that a busy machine does not make BFD late. */
import koffi from 'koffi'
import type { Micros } from '../../base/units.ts'
import type { Priority } from '../../bfd/types.ts'
import { errnoText } from '../error-text.ts'

// Numbers of Linux. For all three calls 0 means the thread that calls.
const SCHED_RR = 2
/** What our thread starts runs as usual. */
const SCHED_RESET_ON_FORK = 0x40000000
/** The lowest of real time: before everything usual, behind what the kernel itself runs so. */
const LOWEST_REAL_TIME = 1
const PRIO_PROCESS = 0
const NICEST = -20

export function raisePriority(): Priority {
  const libc = koffi.load(null)
  const setScheduler = libc.func('sched_setscheduler', 'int', ['int', 'int', 'void *'])
  const setNice = libc.func('setpriority', 'int', ['int', 'uint32_t', 'int'])
  if (setScheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, Int32Array.of(LOWEST_REAL_TIME)) === 0) {
    return { kind: 'real-time', trouble: undefined }
  }
  const trouble = errnoText(koffi.errno())
  return { kind: setNice(PRIO_PROCESS, 0, NICEST) === 0 ? 'nice' : 'none', trouble }
}

/** On a busy machine a thread without priority is late by up to 43 ms, with one by 8: three lost packets must not look alike. */
const LEAST: Readonly<Record<Priority['kind'], Micros>> = { 'real-time': 10_000, nice: 10_000, none: 50_000 }

/** No interval shorter than this can be kept. */
export const leastIntervalWith = ({ kind }: Priority): Micros => LEAST[kind]
