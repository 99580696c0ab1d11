/** BFD in a thread of this process: work in the main thread does not delay it. */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { BfdInput, BfdNews } from '../../bfd/types.ts'
import { errorText } from '../error-text.ts'
import { closeSocket } from '../libc.ts'
import type { BfdRunner, StartBfd } from './bfd.ts'
import { Bell } from './bfd-poll.ts'

/** The data that the thread is started with. */
export interface BfdThreadData {
  /** `BfdOrder` in, `BfdNews[]` out. */
  readonly port: MessagePort
  /** A wake-up follows every order. */
  readonly bell: number
  readonly independent: boolean
}

export type BfdOrder = BfdInput | { readonly kind: 'end' }

/** Set by the build: where the code of the thread lies beside the bundle. */
declare const GODWIT_BFD_THREAD: string | undefined

const CODE = new URL(typeof GODWIT_BFD_THREAD === 'string' ? GODWIT_BFD_THREAD : './bfd-worker.ts', import.meta.url)
/** Many times what 5,000 sessions need; their garbage is small and short-lived. */
const LIMITS = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 8 } as const

/** `independent`: this process continues while the agent is down. */
export const startBfdThread =
  (independent: boolean): StartBfd =>
  (hear, ended) => {
    const bell = new Bell()
    try {
      return new Thread(bell, independent, hear, ended)
    } catch (error) {
      closeSocket(bell.fd)
      throw error
    }
  }

class Thread implements BfdRunner {
  readonly #port: MessagePort
  readonly #bell: Bell
  readonly #gone: Promise<void>
  #isGone = false
  readonly #ring = () => this.#bell.ring()

  constructor(
    bell: Bell,
    independent: boolean,
    hear: (news: readonly BfdNews[]) => void,
    ended: (reason: string) => void,
  ) {
    this.#bell = bell
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    const workerData: BfdThreadData = { port: port2, bell: this.#bell.fd, independent }
    const worker = new Worker(CODE, {
      name: 'bfd',
      workerData,
      transferList: [port2],
      resourceLimits: LIMITS,
      execArgv: [],
      argv: [],
    })
    let reason = 'its thread has ended'
    port1.on('message', hear)
    worker.on('error', (error) => {
      reason = errorText(error)
    })
    // Node can stop a thread only while it runs JavaScript: a thread that is woken does not delay the end of the process.
    process.once('exit', this.#ring)
    this.#gone = new Promise((resolve) => {
      worker.once('exit', () => {
        process.off('exit', this.#ring)
        port1.close()
        this.#isGone = true
        closeSocket(this.#bell.fd)
        resolve()
        ended(reason)
      })
    })
  }

  post(input: BfdInput): void {
    this.#order(input)
  }

  async stop(): Promise<void> {
    this.#order({ kind: 'end' })
    await this.#gone
  }

  /** The descriptor of the bell may be another's once the thread is gone. */
  #order(order: BfdOrder): void {
    if (this.#isGone) return
    this.#port.postMessage(order)
    this.#bell.ring()
  }
}
