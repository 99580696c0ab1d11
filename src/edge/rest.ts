import type { Millis } from '../base/units.ts'

/** Resolves after `pause`, or at once when the signal comes. */
export function rest(pause: Millis, signal: AbortSignal): Promise<void> {
  if (pause <= 0 || signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, pause)
    signal.addEventListener('abort', done)
  })
}
