/** Namespaces, processes and what the system knows of them. Linux and root only. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Calls } from './feeder.ts'
import type { Contestant, Family, Job, Metrics, Run } from './job.ts'

export const now = (): number => Number(process.hrtime.bigint()) / 1e6

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}

const TICK = 1000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** Neighbor `number` has a subnet of its own on the one link. */
export function address(family: Family, side: 'daemon' | 'peer', number: number): string {
  const host = side === 'daemon' ? 1 : 2
  return family === 'v4' ? `10.77.${number}.${host}` : `fd77:${(number + 1).toString(16)}::${host}`
}

/** Two namespaces joined by a veth pair. */
export class Net {
  readonly #names = { daemon: `peerbench${process.pid}d`, peer: `peerbench${process.pid}p` } as const

  constructor(neighbors: number) {
    const { daemon, peer } = this.#names
    try {
      for (const name of [daemon, peer]) execFileSync('ip', ['netns', 'add', name])
      this.#batch('daemon', [`link add b0 type veth peer name b0 netns ${peer}`])
      for (const side of ['daemon', 'peer'] as const) this.#address(side, neighbors)
    } catch (error) {
      this.destroy()
      throw error
    }
  }

  #address(side: 'daemon' | 'peer', neighbors: number): void {
    // No IPv6 housekeeping behind our back: its events wake daemons at odd moments.
    const quiet = ['accept_dad=0', 'router_solicitations=0'].map((setting) => `net.ipv6.conf.b0.${setting}`)
    execFileSync('ip', [...this.inside(side), 'sysctl', '-qw', ...quiet])
    const numbers = Array.from({ length: neighbors }, (_, number) => number)
    this.#batch(side, [
      'link set lo up',
      'link set b0 up',
      ...numbers.flatMap((number) => [
        `addr add ${address('v4', side, number)}/30 dev b0`,
        `addr add ${address('v6', side, number)}/64 dev b0 nodad`,
      ]),
    ])
  }

  #batch(side: 'daemon' | 'peer', lines: readonly string[]): void {
    execFileSync('ip', ['-n', this.#names[side], '-batch', '-'], { input: `${lines.join('\n')}\n` })
  }

  /** Words for `ip` that run what follows on one side. */
  inside(side: 'daemon' | 'peer'): string[] {
    return ['netns', 'exec', this.#names[side]]
  }

  destroy(): void {
    for (const name of Object.values(this.#names)) {
      try {
        execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' })
      } catch {
        // It is gone.
      }
    }
  }
}

/** What stands in /proc/PID/stat behind the name: state, parent, … */
function statOf(pid: number | string): string[] {
  const text = read(`/proc/${pid}/stat`)
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

function processTree(root: number): string[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => [pid, statOf(pid)[1]] as const)
  const all = [String(root)]
  for (const known of all) all.push(...parents.filter(([, parent]) => parent === known).map(([pid]) => pid))
  return all
}

/**
 * CPU milliseconds, user and system. The scheduler's counters are exact for living threads, ticks cover those that ended:
 * whichever has seen more.
 */
export function cpuOf(pids: readonly string[]): number {
  let total = 0
  for (const pid of pids) {
    const fields = statOf(pid)
    if (fields.length < 20) continue
    const ticks = (first: number) => (Number(fields[first]) + Number(fields[first + 1])) * TICK
    let exact = 0
    try {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        exact += Number.parseInt(read(`/proc/${pid}/task/${thread}/schedstat`) || '0', 10) / 1e6
      }
    } catch {
      // It has ended meanwhile.
    }
    total += Math.max(exact, ticks(11)) + ticks(13)
  }
  return total
}

/** Milliseconds in which the machine's cores were busy. */
export function machineBusy(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0, steal = 0] = (
    read('/proc/stat').split('\n')[0] ?? ''
  )
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softIrq + steal) * TICK
}

/** CPU in milliseconds, memory in bytes. */
export interface Sample {
  readonly cpu: number
  readonly rss: number
  readonly peak: number
  readonly pss: number
}

export class Daemon {
  readonly startedAt: number
  readonly run: Run
  readonly exited: Promise<void>
  #dead: string | undefined
  readonly #child: ChildProcess
  readonly #contestant: Contestant
  readonly #job: Job

  constructor(net: Net, contestant: Contestant, job: Job) {
    this.#contestant = contestant
    this.#job = job
    mkdirSync(job.dir, { recursive: true })
    const { argv, files } = contestant.setup(job)
    for (const [name, text] of Object.entries(files)) writeFileSync(join(job.dir, name), text, { mode: 0o600 })
    const out = openSync(join(job.dir, 'output.log'), 'w')
    this.startedAt = now()
    this.#child = spawn('ip', [...net.inside('daemon'), ...argv], { stdio: ['ignore', out, out], cwd: job.dir })
    this.exited = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#dead = error.message
        resolve()
      })
      this.#child.on('exit', (code, signal) => {
        this.#dead = signal ?? `exit ${code}`
        resolve()
      })
    })
    this.run = (words) =>
      execFileSync('ip', [...net.inside('daemon'), ...words], {
        encoding: 'utf8',
        timeout: 30_000,
        cwd: job.dir,
        stdio: ['ignore', 'pipe', 'pipe'],
        maxBuffer: 2 ** 28,
      })
  }

  get pids(): string[] {
    return this.#child.pid === undefined ? [] : processTree(this.#child.pid)
  }

  checkAlive(): void {
    if (this.#dead !== undefined) throw new Error(`the daemon ended: ${this.#dead}`)
  }

  sample(): Sample {
    this.checkAlive()
    const { pids } = this
    const field = (file: string, name: string): number =>
      pids.reduce((sum, pid) => {
        const found = read(`/proc/${pid}/${file}`).match(new RegExp(`^${name}:\\s+(\\d+)`, 'm'))
        return sum + Number(found?.[1] ?? 0) * 1024
      }, 0)
    return {
      cpu: cpuOf(pids),
      rss: field('status', 'VmRSS'),
      peak: field('status', 'VmHWM'),
      pss: field('smaps_rollup', 'Pss'),
    }
  }

  /** Undefined where it cannot tell; −1 where it does not answer yet. */
  count(family: Family): number | undefined {
    try {
      return this.#contestant.count?.(this.#job, family, this.run)
    } catch {
      return -1
    }
  }

  /** Routes of a protocol number in the main table, of each family. */
  kernelRoutes(protocol: number): number[] {
    return ['-4', '-6'].map((flag) => {
      const text = this.run(['ip', flag, '-o', 'route', 'show', 'proto', String(protocol)])
      return text.split('\n').filter((line) => line !== '').length
    })
  }

  /** No daemon: a command of a person writes the routes, and takes them away again. */
  writeRoutes(command: (file: string) => readonly string[], lines: readonly string[]): Metrics {
    const timed = (name: string, all: readonly string[]): readonly number[] => {
      const file = join(this.#job.dir, name)
      writeFileSync(file, `${all.join('\n')}\n`)
      const said = this.run(
        [
          'bash',
          '-c',
          'exec 3>&1; TIMEFORMAT="%U %S %R"; { time "$@" 2>/dev/null; } 2>&3',
          'bash',
          ...command(file),
        ].map(String),
      )
      return said.trim().split(/\s+/).map(Number)
    }
    const [user = 0, system = 0, wall = 0] = timed('add', lines)
    const [userClear = 0, systemClear = 0] = timed(
      'del',
      lines.map((line) => line.replace(/^route add/, 'route del')),
    )
    return { cpu: user + system, wall, clear: userClear + systemClear }
  }

  /** Waits until it has used less than a tenth of a core for `quiet`; when it was last busy, undefined at the deadline. */
  async settle(deadline: number, quiet = 300): Promise<number | undefined> {
    const { pids } = this
    let [cpu, at] = [cpuOf(pids), now()]
    let busyAt = at
    while (now() < deadline) {
      await sleep(20)
      this.checkAlive()
      const [cpuNow, atNow] = [cpuOf(pids), now()]
      if (cpuNow - cpu > 0.1 * (atNow - at)) busyAt = atNow
      ;[cpu, at] = [cpuNow, atNow]
      if (at - busyAt > quiet) return busyAt
    }
    return undefined
  }

  async stop(): Promise<void> {
    if (this.#dead !== undefined) return
    // With their start times, so that none is taken for another.
    const tree = this.pids.map((pid) => [pid, statOf(pid)[19]] as const)
    this.#child.kill('SIGTERM')
    await Promise.race([this.exited, sleep(5000)])
    for (const [pid, born] of tree) {
      const fields = statOf(pid)
      if (fields[19] === born && fields[0] !== 'Z') kill(Number(pid))
    }
    await Promise.race([this.exited, sleep(2000)])
  }

  get logTail(): string {
    return read(join(this.#job.dir, 'output.log')).slice(-1500)
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}

type Result<Call extends keyof Calls> = Awaited<ReturnType<Calls[Call]>>

/** The process of `feeder.ts`, on the neighbors' side. */
export class Feeder {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>()
  #lastId = 0

  constructor(net: Net) {
    const script = new URL('feeder.ts', import.meta.url).pathname
    const words = [...net.inside('peer'), process.execPath, '--max-old-space-size=4096', script]
    this.#child = spawn('ip', words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child.on('message', ({ id, result, error }: { id: number; result: never; error?: string }) => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) waiting?.resolve(result)
      else waiting?.reject(new Error(error))
    })
    this.#child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the feeder ended'))
    })
  }

  call<Call extends keyof Calls>(call: Call, words: Parameters<Calls[Call]>[0]): Promise<Result<Call>> {
    const id = ++this.#lastId
    return new Promise<Result<Call>>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, call, words })
    })
  }

  get cpu(): number {
    return cpuOf([String(this.#child.pid)])
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.disconnect()
    await Promise.race([gone, sleep(2000)])
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL')
  }
}
