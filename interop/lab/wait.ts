// Waiting for the outside world, always with an end.

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

export interface WaitOptions {
  readonly within?: number
  readonly every?: number
}

/** Thrown by a check that can no longer come true. */
export class Hopeless extends Error {}

/** Repeats a check until it no longer throws; when time is over, throws what it said last. */
export const eventually = async <T>(check: () => Promise<T>, options: WaitOptions = {}): Promise<T> => {
  const end = performance.now() + (options.within ?? 30_000)
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (error instanceof Hopeless || performance.now() > end) throw error
    }
    await pause(options.every ?? 200)
  }
}

/** Repeats a check for a while and throws as soon as it does: for things that must stay as they are. */
export const throughout = async (millis: number, check: () => Promise<void>): Promise<void> => {
  const end = performance.now() + millis
  while (performance.now() < end) {
    await check()
    await pause(250)
  }
}

/** Bounds a whole case. */
export const within = async <T>(millis: number, what: string, work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${millis / 1000} s`)), millis)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
