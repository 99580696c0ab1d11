// The lab: hosts are network namespaces on one switch (a bridge in a namespace of its own). It owns the namespaces, the
// processes started in them and a folder for their files; when it closes, or this process ends, nothing of it stays.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { chmod, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Daemon, must, type Outcome, type RunOptions, run, runNow } from './run.ts'

export type Family = 'ipv4' | 'ipv6'
export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6']

/** Something that runs until told otherwise. */
export interface Process {
  readonly running: boolean
  readonly log: string
  stop(): Promise<void>
  kill(): Promise<void>
  killNow(): void
}

const openLabs = new Set<Lab>()
let labs = 0

/** The last chance: run on every end of this process, so nothing here may be asynchronous. */
const closeAllNow = (): void => {
  for (const lab of openLabs) lab.closeNow()
}
process.on('exit', closeAllNow)

const parentFolder = mkdtempSync(join(tmpdir(), 'gw-'))
process.on('exit', () => {
  if (!keptFolders) rmSync(parentFolder, { recursive: true, force: true })
})
let keptFolders = false
// Agents and looks at them are dozens of processes of the same modules: the first one compiles for all.
process.env.NODE_COMPILE_CACHE ??= join(parentFolder, 'compiled')

export class Lab {
  readonly directory: string
  private readonly id: string
  private readonly hosts: Host[] = []
  private readonly processes: Process[] = []
  readonly switchNamespace: string
  private closed = false

  private constructor() {
    labs += 1
    this.id = `gw${process.pid.toString(36)}-${labs}`
    this.directory = join(parentFolder, String(labs))
    mkdirSync(this.directory, { recursive: true })
    this.switchNamespace = `${this.id}-sw`
  }

  static async open(): Promise<Lab> {
    const lab = new Lab()
    openLabs.add(lab)
    await chmod(parentFolder, 0o755)
    await must(['ip', 'netns', 'add', lab.switchNamespace])
    await must(['ip', '-n', lab.switchNamespace, 'link', 'add', 'br0', 'type', 'bridge'])
    await must(['ip', '-n', lab.switchNamespace, 'link', 'set', 'br0', 'up'])
    return lab
  }

  /** A host on the switch: 10.77.0.N and fd77::N. */
  async host(name: string, number: number): Promise<Host> {
    const addresses = { ipv4: `10.77.0.${number}`, ipv6: `fd77::${number}` }
    const host = await this.bare(name, addresses, `p${this.hosts.length + 1}`)
    const { port } = host
    const inside = ['ip', '-n', host.namespace]
    await must([...inside, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', port, 'netns', this.switchNamespace])
    await must(['ip', '-n', this.switchNamespace, 'link', 'set', port, 'master', 'br0', 'up'])
    await must([...inside, 'address', 'add', `${host.ipv4}/24`, 'dev', 'eth0'])
    await must([...inside, 'address', 'add', `${host.ipv6}/64`, 'dev', 'eth0', 'nodad'])
    await must([...inside, 'link', 'set', 'eth0', 'up'])
    return host
  }

  /** A host without a cable: the scene wires it, and says which addresses it is known by. */
  async bare(name: string, addresses: Readonly<Record<Family, string>>, port = ''): Promise<Host> {
    const host = new Host(this, name, `${this.id}-${name}`, join(this.directory, name), addresses, port)
    this.hosts.push(host)
    // Daemons that give up root write here too.
    await mkdir(host.directory, { recursive: true })
    await chmod(host.directory, 0o777)
    await must(['ip', 'netns', 'add', host.namespace])
    await host.must(['sysctl', '-qw', 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0'])
    await must(['ip', '-n', host.namespace, 'link', 'set', 'lo', 'up'])
    return host
  }

  get allHosts(): readonly Host[] {
    return this.hosts
  }

  keep<P extends Process>(process: P): P {
    this.processes.push(process)
    return process
  }

  async close(keepFolder = false): Promise<void> {
    if (this.closed) return
    await Promise.all(this.processes.map((process) => process.kill()))
    this.closeNow(keepFolder)
  }

  closeNow(keepFolder = false): void {
    if (this.closed) return
    this.closed = true
    openLabs.delete(this)
    for (const process of this.processes) process.killNow()
    for (const namespace of [...this.hosts.map((host) => host.namespace), this.switchNamespace]) {
      const pids = runNow(['ip', 'netns', 'pids', namespace])
      for (const pid of pids.split('\n').map(Number)) if (pid > 1) endPid(pid)
      runNow(['ip', 'netns', 'del', namespace])
    }
    if (keepFolder) keptFolders = true
    else rmSync(this.directory, { recursive: true, force: true })
  }
}

const endPid = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended on its own in between.
  }
}

export class Host {
  readonly name: string
  readonly namespace: string
  readonly directory: string
  readonly ipv4: string
  readonly ipv6: string
  readonly lab: Lab
  /** The switch's end of its cable; empty for a host without one. */
  readonly port: string

  constructor(
    lab: Lab,
    name: string,
    namespace: string,
    directory: string,
    addresses: Readonly<Record<Family, string>>,
    port: string,
  ) {
    this.port = port
    this.lab = lab
    this.name = name
    this.namespace = namespace
    this.directory = directory
    this.ipv4 = addresses.ipv4
    this.ipv6 = addresses.ipv6
  }

  address(family: Family): string {
    return family === 'ipv4' ? this.ipv4 : this.ipv6
  }

  /** The words that run something inside this host. */
  inside(argv: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', this.namespace, ...argv]
  }

  run(argv: readonly string[], options?: RunOptions): Promise<Outcome> {
    return run(this.inside(argv), options)
  }

  must(argv: readonly string[], options?: RunOptions): Promise<string> {
    return must(this.inside(argv), options)
  }

  /** Starts a program that stays up; its output goes to NAME.log in the host's folder. */
  start(name: string, argv: readonly string[]): Daemon {
    const log = join(this.directory, `${name}.log`)
    return this.lab.keep(new Daemon(this.inside(argv), log, { cwd: process.cwd() }))
  }

  /** Cuts the cable at the switch, or joins it again: the host keeps its addresses, as a real one does. */
  async cable(state: 'up' | 'down'): Promise<void> {
    await must(['ip', '-n', this.lab.switchNamespace, 'link', 'set', this.port, state])
  }
}
