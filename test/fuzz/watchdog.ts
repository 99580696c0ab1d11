/** Ends a run that hangs: a case that does not end cannot say so itself, so a thread of its own looks on. */
import { Worker } from 'node:worker_threads'

const PATIENCE = 120_000

const LOOKS_ON = `
  const { workerData: { seen, patience } } = require('node:worker_threads')
  let [last, since] = [-1, Date.now()]
  setInterval(() => {
    const now = Atomics.load(seen, 0)
    if (now !== last) [last, since] = [now, Date.now()]
    else if (Date.now() - since > patience) {
      require('node:fs').writeSync(2, 'case ' + now + ' does not end\\n')
      process.kill(process.pid, 'SIGKILL')
    }
  }, 1000)`

export class Watchdog {
  readonly #seen = new Int32Array(new SharedArrayBuffer(4))
  readonly #worker: Worker

  constructor() {
    this.#worker = new Worker(LOOKS_ON, { eval: true, workerData: { seen: this.#seen, patience: PATIENCE } })
    this.#worker.unref()
  }

  /** The case that begins now. */
  see(number: number): void {
    Atomics.store(this.#seen, 0, number)
  }

  end(): Promise<number> {
    return this.#worker.terminate()
  }
}
