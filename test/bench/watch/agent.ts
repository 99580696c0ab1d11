/** The agent as it ships, as a process of its own, with the memory that a container of 512 MiB gives it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { flagsAsShipped } from '../as-shipped.ts'
import { NODE } from './objects.ts'

const BUNDLE = new URL('../../../dist/godwit.mjs', import.meta.url).pathname
/** What Node makes of a limit of 512 MiB. */
const HEAP = '--max-old-space-size=256'

export interface Memory {
  /** MiB. */
  readonly resident: number
  readonly peak: number
}

export class AgentProcess {
  readonly startedAt = performance.now()
  said = ''
  readonly #child: ChildProcess

  constructor(apiPort: number, more: readonly string[] = []) {
    if (!existsSync(BUNDLE)) throw new Error('no bundle: npm run build')
    const agent = ['agent', '--node', NODE, '--dataplane', 'none', '--http', 'none', '--control', '/run/godwit.sock']
    const place = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(apiPort) }
    this.#child = spawn(process.execPath, [...flagsAsShipped(), HEAP, ...more, BUNDLE, ...agent], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...place },
    })
    // Also where the bench itself fails.
    process.once('exit', () => this.#child.kill('SIGKILL'))
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.said = (this.said + text).slice(-20_000)
      })
    }
  }

  get memory(): Memory {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8')
    const of = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024
    return { resident: of('VmRSS'), peak: of('VmHWM') }
  }

  /** Seconds of all threads. */
  get cpu(): number {
    const words = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(words[11]) + Number(words[12])) / 100
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return
    this.#child.kill('SIGTERM')
    await once(this.#child, 'exit')
  }
}
