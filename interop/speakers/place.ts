// Where a speaker's programs come from: this machine, a root folder, or a container image.

import { join } from 'node:path'
import type { Host, Process } from '../lab/lab.ts'
import { type RootFolder, trixieRoot } from '../lab/root-folder.ts'
import { Daemon, has, run } from '../lab/run.ts'
import type { Place } from './speaker.ts'

export const machine: Place = {
  name: 'netns',
  whyNot: async (program) => ((await has(program)) ? undefined : `${program} is not installed`),
  inside: (host, argv) => host.inside(argv),
  outside: (argv) => argv,
  start: (host, name, argv) => host.start(name, argv),
}

// The host's folder keeps its path inside the root folder, so that a socket has one name on both sides.
const ENTER = [
  'mount -t tmpfs tmpfs "$1/tmp" && mkdir -p "$1$2" && mount --bind "$2" "$1$2"',
  'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" || exit 125',
  'root=$1; shift 2; exec chroot "$root" "$@"',
].join('\n')

const enterRoot = (root: string, folder: string, argv: readonly string[]): readonly string[] => [
  'unshare',
  '-m',
  'sh',
  '-c',
  ENTER,
  'sh',
  root,
  folder,
  ...argv,
]

let folder: Promise<RootFolder> | undefined
let rootPath = ''

const openRoot = async (): Promise<string | undefined> => {
  folder ??= trixieRoot()
  const answer = await folder
  if (answer.kind === 'none') return `no trixie root folder: ${answer.reason}`
  rootPath = answer.path
  return undefined
}

export const trixie: Place = {
  name: 'trixie',
  async whyNot(program) {
    const closed = await openRoot()
    if (closed !== undefined) return closed
    const found = await run(['chroot', rootPath, 'sh', '-c', `PATH="$PATH:/usr/lib/frr" command -v ${program}`])
    return found.code === 0 ? undefined : `${program} is not in the trixie root folder`
  },
  inside: (host, argv) => host.inside(enterRoot(rootPath, host.directory, argv)),
  outside: (argv) => ['chroot', rootPath, ...argv],
  start: (host, name, argv) => host.start(name, enterRoot(rootPath, host.directory, argv)),
}

const IMAGE = process.env.GODWIT_INTEROP_FRR_IMAGE ?? 'frrouting/frr:latest'
let engine = ''
let containers = 0

const openEngine = async (): Promise<string | undefined> => {
  for (const candidate of ['podman', 'docker']) {
    if ((await has(candidate)) && (await run([candidate, 'info'], { timeout: 10_000 })).code === 0) engine = candidate
  }
  if (engine === '') return 'no docker or podman engine runs here'
  if ((await run([engine, 'image', 'inspect', IMAGE])).code === 0) return undefined
  const pulled = await run([engine, 'pull', '-q', IMAGE], { timeout: 180_000 })
  return pulled.code === 0 ? undefined : `${IMAGE} cannot be pulled`
}

const inContainer = (host: Host, name: string, argv: readonly string[]): readonly string[] => [
  ...[engine, 'run', '--rm', '--name', name, '--privileged', '--network', 'host', '--entrypoint', 'nsenter'],
  ...['-v', '/run/netns:/run/netns', '-v', `${host.directory}:${host.directory}`],
  ...[IMAGE, `--net=/run/netns/${host.namespace}`, '--', ...argv],
]

/** A container joins the host's network by its namespace file; it is ended by its name, not by the client's pid. */
class Container implements Process {
  readonly log: string
  private readonly name: string
  private readonly client: Daemon

  constructor(host: Host, label: string, argv: readonly string[]) {
    containers += 1
    this.name = `${host.namespace}-${label}-${containers}`
    this.log = join(host.directory, `${label}.log`)
    this.client = new Daemon(inContainer(host, this.name, argv), this.log)
  }

  get running(): boolean {
    return this.client.running
  }

  async stop(): Promise<void> {
    await run([engine, 'stop', '-t', '3', this.name])
    await this.client.stop()
  }

  async kill(): Promise<void> {
    if (this.running) await run([engine, 'kill', this.name])
    await this.client.kill()
  }

  killNow(): void {
    this.client.killNow()
  }
}

export const container: Place = {
  name: 'container',
  whyNot: async () => (engine === '' ? openEngine() : undefined),
  inside: (host, argv) => {
    containers += 1
    return inContainer(host, `${host.namespace}-${containers}`, argv)
  },
  outside: (argv) => [engine, 'run', '--rm', '--entrypoint', argv[0] ?? '', IMAGE, ...argv.slice(1)],
  start: (host, name, argv) => host.lab.keep(new Container(host, name, argv)),
}
