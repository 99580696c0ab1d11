import type { Millis } from '../base/units.ts'

/** Resolves after `duration`, or as soon as the signal is aborted. */
export function sleep(duration: Millis, signal: AbortSignal): Promise<void> {
  if (duration <= 0 || signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, duration)
    signal.addEventListener('abort', done)
  })
}
