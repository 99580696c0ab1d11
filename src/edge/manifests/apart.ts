/**
 * Parses long pieces of manifests on a thread of its own: a document of a megabyte takes a third of a second, and
 * sessions must not wait for it. The thread exists while it is needed. Its memory and time are bounded: a piece that
 * exceeds them is faulty.
 */
import { Worker } from 'node:worker_threads'
import { inSeconds, type Millis } from '../../base/units.ts'
import { errorText } from '../error-text.ts'
import type { Resource } from '../resources.ts'
import type { PieceKind, PieceReading } from './fault.ts'

export interface Question {
  readonly text: string
  readonly kind: PieceKind
  readonly resources: readonly Resource[]
}

/** Set by the build: where the code of the thread lies beside the bundle. */
declare const GODWIT_THREAD: string | undefined

const CODE = new URL(typeof GODWIT_THREAD === 'string' ? GODWIT_THREAD : './thread.ts', import.meta.url)
const LIMITS = { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 8 } as const
const TIMEOUT: Millis = 30_000
/** How long the thread waits for another piece before it ends. */
const IDLE: Millis = 1_000

export class Apart {
  readonly #timeout: Millis
  #worker: Worker | undefined
  #fail: (error: Error) => void = () => {}
  #idle: NodeJS.Timeout | undefined
  #last: Promise<unknown> = Promise.resolve()
  #isStopped = false

  constructor(timeout: Millis = TIMEOUT) {
    this.#timeout = timeout
  }

  /** One piece after the other. Never rejects: a failure of the thread is a fault of the piece. */
  readonly read = (text: string, kind: PieceKind, resources: readonly Resource[]): Promise<PieceReading> => {
    const answer = this.#last.then(() => this.#ask({ text, kind, resources }))
    this.#last = answer
    return answer
  }

  /** For good: a piece that is being read, and each that comes later, is faulty at once. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#end()
  }

  /** Ends the thread, and the wait for its answer. */
  async #end(): Promise<void> {
    clearTimeout(this.#idle)
    const worker = this.#worker
    this.#worker = undefined
    this.#fail(new Error('the thread ended'))
    await worker?.terminate()
  }

  async #ask(question: Question): Promise<PieceReading> {
    clearTimeout(this.#idle)
    try {
      if (this.#isStopped) throw new Error('the agent ends')
      return await this.#answer(this.#start(), question)
    } catch (error) {
      void this.#end()
      return { values: [], fault: { text: `cannot be read: ${errorText(error)}`, at: 0, isPassing: true } }
    } finally {
      this.#idle = setTimeout(() => void this.#end(), IDLE).unref()
    }
  }

  #answer(worker: Worker, question: Question): Promise<PieceReading> {
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`it takes longer than ${inSeconds(this.#timeout)} s`))
      const timer = setTimeout(late, this.#timeout).unref()
      worker.once('message', (read: PieceReading) => {
        clearTimeout(timer)
        resolve(read)
      })
      this.#fail = reject
      worker.postMessage(question)
    })
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new Worker(CODE, { resourceLimits: LIMITS, execArgv: [], argv: [] })
    // A failure goes to the caller that waits; without one, or when this thread is no longer in use, it is dropped.
    const fail = (error: Error) => this.#worker === worker && this.#fail(error)
    worker.on('error', fail)
    worker.on('exit', () => fail(new Error('the thread ended')))
    worker.unref()
    this.#worker = worker
    return worker
  }
}
