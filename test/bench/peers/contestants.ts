/** How each daemon is configured, started and asked. All at their defaults: policies open, kernel routes off unless asked for. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Contestant, FAMILIES, type Family, type Job } from './job.ts'
import { mrtTable } from './mrt.ts'

function which(name: string, ...folders: readonly string[]): string | undefined {
  const all = [...folders, ...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin']
  return all.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function versionOf(program: string | undefined, word: string, pattern: RegExp): string | undefined {
  if (program === undefined) return undefined
  const { stdout, stderr } = spawnSync(program, [word], { encoding: 'utf8', timeout: 10_000 })
  return `${stdout}${stderr}`.match(pattern)?.[1]
}

const lines = (...all: readonly string[]): string => `${all.join('\n')}\n`
const IP: Readonly<Record<Family, 'ipv4' | 'ipv6'>> = { v4: 'ipv4', v6: 'ipv6' }

/** `command`: Node and the bundle of `ours.ts`. */
const godwit = (command: readonly string[], version: string): Contestant => ({
  id: 'ours',
  label: 'Godwit',
  version: () => version,
  kernelProtocol: 171,
  setup: (job) => ({ argv: [...command, 'job.json'], files: { 'job.json': JSON.stringify(job) } }),
})

function bird(): Contestant {
  const [program, client] = [which('bird'), which('birdc')]
  const neighbor = (job: Job) =>
    job.neighbors.map(
      ({ name, localAddress, address, as, family }) =>
        `protocol bgp ${name} { local ${localAddress} port ${job.port} as ${job.as}; neighbor ${address} as ${as}; ` +
        `passive on; hold time 180; ${IP[family]} { import all; export all; }; }`,
    )
  const statics = (job: Job) =>
    FAMILIES.filter((family) => job.originate[family].length > 0).map(
      (family) =>
        `protocol static origin_${family} { ${IP[family]};\n` +
        `${job.originate[family].map((prefix) => `route ${prefix} blackhole;`).join('\n')}\n}`,
    )
  return {
    id: 'bird',
    label: 'BIRD',
    version: () => versionOf(program, '--version', /version (\S+)/),
    kernelProtocol: 12,
    setup: (job) => ({
      argv: [program as string, '-f', '-c', 'bird.conf', '-s', 'bird.ctl', '-P', 'bird.pid'],
      files: {
        'bird.conf': lines(
          `router id ${job.routerId};`,
          'log stderr { warning, error, fatal, bug };',
          'protocol device { }',
          // A next hop is on the link; BIRD asks its own table for it.
          ...(job.kernel ? KERNEL_OF_BIRD : []),
          ...neighbor(job),
          ...statics(job),
        ),
      },
    }),
    count: (_job, family, run) => {
      const table = `master${family === 'v4' ? 4 : 6}`
      const said = run([client as string, '-r', '-s', 'bird.ctl', `show route table ${table} count`])
      return Number(said.match(/for (\d+) networks/)?.[1])
    },
  }
}

const KERNEL_OF_BIRD = [
  'protocol direct { ipv4; ipv6; }',
  ...['ipv4', 'ipv6'].map((family) => `protocol kernel { ${family} { export where source = RTS_BGP; }; }`),
]

/**
 * bgpd alone, without zebra: measured, it costs the same with one. Its log is kept quiet: without zebra it warns of each
 * prefix, which costs a third more.
 */
function frr(): Contestant {
  const program = ['/usr/lib/frr', '/usr/libexec/frr', '/usr/local/libexec/frr']
    .map((folder) => join(folder, 'bgpd'))
    .find(isProgram)
  const client = which('vtysh')
  return {
    id: 'frr',
    label: 'FRR',
    version: () => versionOf(program, '--version', /bgpd version (\S+)/),
    kernelProtocol: 186,
    setup: (job) => ({
      argv: [
        ...(job.kernel ? withZebra(program as string, job) : []),
        ...[program as string, ...(job.kernel ? ['-z', `${job.dir}/zserv`] : ['-Z', '-n'])],
        ...['-S', '-f', `${job.dir}/bgpd.conf`, '-i', `${job.dir}/bgpd.pid`],
        ...['-p', String(job.port), '--vty_socket', job.dir, '-P', '0', '--log', 'stdout', '--log-level', 'critical'],
      ],
      files: {
        'bgpd.conf': lines(
          ...['frr defaults traditional', `router bgp ${job.as}`, ` bgp router-id ${job.routerId}`],
          ...[' no bgp ebgp-requires-policy', ' no bgp default ipv4-unicast', ' no bgp network import-check'],
          ...job.neighbors.flatMap(({ address, as }) => [
            ` neighbor ${address} remote-as ${as}`,
            ` neighbor ${address} passive`,
          ]),
          ...FAMILIES.flatMap((family) => [
            ` address-family ${IP[family]} unicast`,
            ...job.neighbors.filter((n) => n.family === family).map(({ address }) => `  neighbor ${address} activate`),
            ...job.originate[family].map((prefix) => `  network ${prefix}`),
            ' exit-address-family',
          ]),
        ),
      },
    }),
    count: (job, family, run) => {
      const ask = `show bgp ${IP[family]} unicast statistics json`
      const said = run([client as string, '--vty_socket', job.dir, '-d', 'bgpd', '-c', ask])
      return JSON.parse(said.slice(said.indexOf('{')))[`${IP[family]}Unicast`]?.[0]?.totalPrefixes ?? 0
    },
  }
}

/** zebra, in the same tree of processes, writes what bgpd tells it. It is a user of its own, and bgpd waits for its socket. */
function withZebra(bgpd: string, { dir }: Job): readonly string[] {
  const zebra = [join(dirname(bgpd), 'zebra'), '-z', 'zserv', '-i', 'zebra.pid', '--vty_socket', dir, '-P', '0']
  const start = `chmod 711 .. && chmod 777 . && ${zebra.join(' ')} & until [ -S zserv ]; do sleep 0.05; done; exec "$@"`
  return ['bash', '-c', start, 'bash']
}

/** What a person would do: all routes in a file, for one call of `ip`. */
const iproute2 = (): Contestant => ({
  id: 'ip',
  label: '`ip -batch`',
  version: () => versionOf(which('ip'), '-V', /iproute2-(\S+?),/),
  setup: () => ({ argv: ['sleep', '3600'], files: {} }),
  writes: (file) => ['ip', '-batch', file],
})

function gobgp(): Contestant {
  const [program, client] = [which('gobgpd'), which('gobgp')]
  return {
    id: 'gobgp',
    label: 'GoBGP',
    version: () => versionOf(program, '--version', /version (\S+)/),
    setup: (job) => {
      const originated = [...job.originate.v4, ...job.originate.v6]
      const conf = lines(
        ...['[global.config]', `as = ${job.as}`, `router-id = "${job.routerId}"`, `port = ${job.port}`],
        ...job.neighbors.flatMap(({ address, as, family }) => [
          ...['[[neighbors]]', '[neighbors.config]', `neighbor-address = "${address}"`, `peer-as = ${as}`],
          ...['[neighbors.transport.config]', 'passive-mode = true', '[neighbors.timers.config]', 'hold-time = 180'],
          ...['[[neighbors.afi-safis]]', '[neighbors.afi-safis.config]', `afi-safi-name = "${IP[family]}-unicast"`],
        ]),
      )
      return {
        argv: [
          ...[program as string, '-f', 'gobgpd.toml', '--api-hosts', '127.0.0.1:50051'],
          ...['--pprof-disable', '-l', 'warn'],
        ],
        files: {
          'gobgpd.toml': conf,
          // `gobgp mrt inject` 3.10 ends before its queue is sent: what is repeated at the end is what it may lose.
          ...(originated.length > 0 && {
            'origin.mrt': mrtTable(job.routerId, [...originated, ...originated.slice(-3000)]),
          }),
        },
      }
    },
    /** Its configuration cannot originate: the routes go in over its API. */
    load: (job, run) => {
      if (job.originate.v4.length + job.originate.v6.length === 0) return
      run([client as string, 'mrt', 'inject', 'global', 'origin.mrt'])
    },
    count: (_job, family, run) => {
      const said = JSON.parse(run([client as string, 'global', 'rib', 'summary', '-a', IP[family], '-j']))
      return Number(said.num_destination ?? said.numDestination ?? 0)
    },
  }
}

/**
 * A command that has the home of its user, into which it locks itself up: Debian's package leaves it to systemd to make it.
 * The daemon's mount namespace is its own (`ip netns exec` gives it one), so what is mounted there ends with it.
 */
function withHomeOf(user: RegExp, argv: readonly string[]): readonly string[] {
  const home = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name = '']) => user.test(name))?.[5]
  if (home === undefined || existsSync(home)) return argv
  return [
    'sh',
    '-ec',
    'mount -t tmpfs none "$1"; mkdir -m 755 "$2"; shift 2; exec "$@"',
    'sh',
    dirname(home),
    home,
    ...argv,
  ]
}

function openbgpd(): Contestant {
  const client = which('bgpctl')
  const program = client === undefined ? undefined : which('bgpd')
  return {
    id: 'openbgpd',
    label: 'OpenBGPD',
    version: () => versionOf(program, '-V', /OpenBGPD (\S+)/),
    setup: (job) => ({
      argv: withHomeOf(/^_(open)?bgpd$/, [program as string, '-d', '-f', `${job.dir}/bgpd.conf`]),
      files: {
        'bgpd.conf': lines(
          ...[`AS ${job.as}`, `router-id ${job.routerId}`, `socket "${job.dir}/bgpd.sock"`, 'fib-update no'],
          ...job.listen.map((address) => `listen on ${address} port ${job.port}`),
          ...FAMILIES.flatMap((family) => job.originate[family].map((prefix) => `network ${prefix}`)),
          ...job.neighbors.map(
            ({ address, as, localAddress }) =>
              `neighbor ${address} {\n remote-as ${as}\n passive\n holdtime 180\n local-address ${localAddress}\n}`,
          ),
          ...['allow from any', 'allow to any'],
        ),
      },
    }),
    count: (job, family, run) => {
      const said = run([client as string, '-s', `${job.dir}/bgpd.sock`, 'show', 'rib', 'memory'])
      return Number(said.match(new RegExp(`(\\d+) IP${family} unicast network entries`))?.[1] ?? 0)
    },
  }
}

export const contestants = (command: readonly string[], version: string): readonly Contestant[] => [
  godwit(command, version),
  bird(),
  frr(),
  openbgpd(),
  gobgp(),
  iproute2(),
]
