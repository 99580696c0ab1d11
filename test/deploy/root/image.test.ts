/**
 * The image, built as deploy/Dockerfile says, and its root folder at work: a node and a router as network namespaces,
 * both running the image's own Node, bundle and `nft`, with a read-only root and the DaemonSet's two capabilities.
 *
 * Needs root, buildah and debootstrap: the base is made here, out of this machine's Debian mirror. No engine runs it.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync } from 'node:fs'
import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { copyMachineSettings, debianMirror } from '../../../interop/lab/root-folder.ts'

const REPOSITORY = new URL('../../../', import.meta.url).pathname
const SUITE = 'trixie'
const IP = 'ip'
const LONG = 20 * 60_000

const has = (tool: string): boolean => spawnSync('which', [tool]).status === 0

async function whyNot(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'needs root'
  for (const tool of ['buildah', 'debootstrap', 'ip', 'unshare', 'npm', 'tar']) if (!has(tool)) return `no ${tool} here`
  if (process.env.GODWIT_IMAGE === 'no') return 'GODWIT_IMAGE=no'
  return (await debianMirror()) === undefined ? 'no Debian mirror among the apt sources' : undefined
}

const why = await whyNot()

/** Runs to its end; fails with the last lines it said. */
function must(...[program = '', ...words]: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, words, {
    encoding: 'utf8',
    timeout: LONG,
    maxBuffer: 2 ** 28,
    env: { ...process.env, BUILDAH_ISOLATION: 'chroot' },
  })
  if (status === 0) return stdout
  const said = `${stdout}${stderr}`.trim().split('\n').slice(-15).join('\n')
  throw new Error(`${program} ${words[0]}: ${error?.message ?? `exit ${status}`}\n${said}`)
}

describe.skipIf(why !== undefined)(why === undefined ? 'the image' : `the image (${why})`, () => {
  const work = mkdtempSync(join(tmpdir(), 'godwit-image-'))
  const buildah = (...words: readonly string[]) =>
    must('buildah', '--root', join(work, 'store'), '--runroot', join(work, 'run'), '--storage-driver', 'vfs', ...words)
  const id = process.pid
  const hosts = { node: `gwimg-node-${id}`, router: `gwimg-router-${id}` }
  const running: { readonly pid: number; readonly ended: Promise<unknown> }[] = []
  let root = ''

  beforeAll(async () => {
    await makeBases()
    const bases = ['--build-arg', 'BUILD=localhost/build', '--build-arg', 'BASE=localhost/base']
    const file = join(REPOSITORY, 'deploy/Dockerfile')
    buildah('bud', '--isolation', 'chroot', '--pull-never', ...bases, '-f', file, '-t', 'godwit', REPOSITORY)
    const container = buildah('from', '--pull-never', 'localhost/godwit').trim()
    root = buildah('mount', container).trim()
    await makeHosts()
  }, LONG)

  afterAll(async () => {
    for (const { pid, ended } of running) {
      process.kill(pid, 'SIGTERM')
      await ended
    }
    for (const name of Object.values(hosts)) spawnSync(IP, ['netns', 'delete', name])
    if (root !== '') {
      buildah('umount', '--all')
      buildah('rm', '--all')
    }
    await rm(work, { recursive: true, force: true })
  }, LONG)

  /** Debian as small as it gets; and the same with Node and npm of this machine, to build in. */
  async function makeBases(): Promise<void> {
    const debian = join(work, 'debian')
    must('debootstrap', '--variant=minbase', SUITE, debian, (await debianMirror()) ?? '')
    await copyMachineSettings(debian)
    const base = join(work, 'base')
    await mkdir(base)
    must(
      'tar',
      '-C',
      debian,
      '--exclude=./dev/*',
      '--exclude=./var/cache/apt/archives/*.deb',
      '-cf',
      join(base, 'base.tar'),
      '.',
    )
    await writeFile(join(base, 'Dockerfile'), 'FROM scratch\nADD base.tar /\n')
    buildah('bud', '--isolation', 'chroot', '-t', 'base', base)

    const build = join(work, 'build')
    const npm = dirname(dirname(realpathSync(must('which', 'npm').trim())))
    await cp(process.execPath, join(build, 'usr/local/bin/node'))
    await cp(npm, join(build, 'usr/local/lib/node_modules/npm'), { recursive: true })
    // How this machine reaches its registry: npm's settings, and whom else than its own authorities Node trusts.
    const authorities = process.env.NODE_EXTRA_CA_CERTS ?? '/etc/ssl/certs/ca-certificates.crt'
    const settings = [...['globalconfig', 'userconfig', 'cafile'].map(npmSetting), authorities]
    for (const path of settings) if (path.startsWith('/') && existsSync(path)) await cp(path, join(build, path))
    await cp(npmSetting('globalconfig'), join(build, 'usr/local/etc/npmrc')).catch(() => {})
    await writeFile(
      join(build, 'Dockerfile'),
      `FROM localhost/base\nENV NODE_EXTRA_CA_CERTS=${authorities}\nCOPY . /\n` +
        'RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && rm /Dockerfile\n',
    )
    buildah('bud', '--isolation', 'chroot', '--pull-never', '-t', 'build', build)
  }

  const npmSetting = (name: string): string =>
    spawnSync('npm', ['config', 'get', name], { encoding: 'utf8', cwd: '/' }).stdout.trim()

  async function makeHosts(): Promise<void> {
    for (const name of Object.values(hosts)) {
      must('ip', 'netns', 'add', name)
      must('ip', '-n', name, 'link', 'set', 'lo', 'up')
      // As every node of Kubernetes does.
      for (const key of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) {
        must('ip', 'netns', 'exec', name, 'sysctl', '-qw', `${key}=1`)
      }
    }
    must('ip', '-n', hosts.node, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', hosts.router)
    for (const [name, last] of [
      [hosts.node, '11'],
      [hosts.router, '1'],
    ] as const) {
      must('ip', '-n', name, 'address', 'add', `10.0.0.${last}/24`, 'dev', 'eth0')
      must('ip', '-n', name, 'address', 'add', `fd00:10::${last}/64`, 'dev', 'eth0', 'nodad')
      must('ip', '-n', name, 'link', 'set', 'eth0', 'up')
    }
    const folder = join(work, 'manifests')
    await mkdir(join(folder, 'node'), { recursive: true })
    await mkdir(join(folder, 'router'))
    const rack = readFileSync(join(REPOSITORY, 'deploy/examples/rack/cluster.yaml'), 'utf8')
    await writeFile(join(folder, 'node/rack.yaml'), rack)
    await writeFile(join(folder, 'router/router.yaml'), ROUTER)
  }

  /** As a container runtime would: the image's root read-only, two folders of the host in it, few rights. */
  function start(host: keyof typeof hosts, node: string, ...words: readonly string[]): void {
    const state = join(work, host)
    const script = [
      'set -e',
      `mkdir -p ${state}/run ${state}/cni`,
      `mount --bind ${root} ${root}`,
      `mount -o remount,bind,ro ${root}`,
      `mount -t proc proc ${root}/proc`,
      `mount -t tmpfs tmpfs ${root}/run`,
      `mkdir -p ${root}/run/godwit ${root}/run/manifests ${root}/run/cni`,
      `mount --bind ${state}/run ${root}/run/godwit`,
      `mount --bind ${state}/cni ${root}/run/cni`,
      `mount --bind -o ro ${work}/manifests/${host} ${root}/run/manifests`,
      `exec chroot ${root} /usr/bin/setpriv --no-new-privs --bounding-set=-all,+net_admin,+net_bind_service ` +
        `${entrypoint().join(' ')} agent --node ${node} --source /run/manifests --log-level debug ${words.join(' ')}`,
    ]
    const inside = ['netns', 'exec', hosts[host], 'unshare', '--mount', '--propagation', 'private', 'sh', '-c']
    const child = spawn(IP, [...inside, script.join('\n')], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => said[host].push(String(piece)))
    running.push({ pid: child.pid ?? 0, ended: new Promise((resolve) => child.once('exit', resolve)) })
  }

  const said: Record<keyof typeof hosts, string[]> = { node: [], router: [] }

  const entrypoint = (): string[] => {
    const { config } = JSON.parse(buildah('inspect', '--type', 'image', 'localhost/godwit')).OCIv1
    return config.Entrypoint as string[]
  }

  test('holds Node, the bundle and nft, nothing to write routes with but the agent, and starts it', () => {
    for (const path of ['usr/local/bin/node', 'usr/local/lib/godwit/godwit.mjs']) {
      expect(existsSync(join(root, path)), path).toBe(true)
    }
    const native = `/usr/local/lib/godwit/node_modules/@koromix/koffi-${process.platform}-${process.arch}`
    const { version: koffi } = parse(readFileSync(join(REPOSITORY, 'node_modules/koffi/package.json'), 'utf8'))
    const load = `console.log(require('${native}').version)`
    expect(must('chroot', root, '/usr/local/bin/node', '-e', load).trim()).toBe(koffi)
    const { version } = parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as { version: string }
    expect(must('chroot', root, ...entrypoint(), '--version').trim()).toBe(`godwit ${version}`)
    expect(must('chroot', root, '/usr/local/bin/godwit', '--version').trim()).toBe(`godwit ${version}`)
    expect(must('chroot', root, '/usr/local/bin/node', '--version')).toMatch(/^v(2[4-9]|[3-9]\d)\./)
    for (const path of ['usr/bin/ip', 'usr/sbin/ip', 'sbin/ip']) expect(existsSync(join(root, path)), path).toBe(false)
    expect(must('chroot', root, 'nft', '--version')).toMatch(/^nftables v/)
    expect(must('chroot', root, 'setpriv', '--version')).toMatch(/^setpriv from util-linux /)
  })

  test('does its main job from its root folder: the router has the node’s routes in its kernel', async () => {
    start('node', 'worker-1', '--cni', 'ptp', '--cni-dir', '/run/cni')
    start('router', 'tor-1')
    const routesOf = (host: keyof typeof hosts, family: '-4' | '-6') =>
      must('ip', '-n', hosts[host], family, 'route', 'show', 'table', 'all')
    const words = () => `${said.node.join('')}\n${said.router.join('')}`
    await vi.waitFor(
      () => {
        expect(routesOf('router', '-4'), words()).toMatch(/^10\.244\.1\.0\/24 (?:nhid \d+ )?via 10\.0\.0\.11 /m)
        expect(routesOf('router', '-6'), words()).toMatch(/^fd00:244:1::\/64 (?:nhid \d+ )?via fd00:10::11 /m)
      },
      { timeout: 60_000, interval: 500 },
    )
    expect(routesOf('router', '-4')).toMatch(/^192\.0\.2\.0\/24 /m)
    expect(routesOf('node', '-4')).toMatch(/^blackhole 10\.244\.1\.0\/24 /m)
    expect(routesOf('node', '-6')).toMatch(/^blackhole fd00:244:1::\/64 /m)
    const config = JSON.parse(readFileSync(join(work, 'node/cni/10-godwit.conflist'), 'utf8'))
    expect(config.plugins[0].ipam.ranges).toEqual([[{ subnet: '10.244.1.0/24' }], [{ subnet: 'fd00:244:1::/64' }]])
  }, 120_000)

  test('answers at the control socket and over HTTP, and has complained of nothing', async () => {
    const socket = join(work, 'node/run/godwit.sock')
    const status = must(
      process.execPath,
      join(root, 'usr/local/lib/godwit/godwit.mjs'),
      '-s',
      socket,
      '--json',
      'show',
      'status',
    )
    expect(JSON.parse(status)).toMatchObject({
      node: 'worker-1',
      peers: { configured: 1, established: 1 },
      problems: 0,
    })
    const get = `fetch('http://127.0.0.1:9179/readyz').then(async (r) => console.log(r.status, await r.text()))`
    expect(must('ip', 'netns', 'exec', hosts.node, process.execPath, '-e', get).trim()).toBe('200 ok')
    const complaints = said.node.join('').match(/.*"level":"?(?:error|warn|40|50).*/g) ?? []
    expect(complaints).toEqual([])
  })

  test('has had the rights of the DaemonSet and no others', () => {
    const NET_BIND_SERVICE = 1n << 10n
    const NET_ADMIN = 1n << 12n
    for (const { pid } of running) {
      const [, bits] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
      expect(BigInt(`0x${bits}`)).toBe(NET_ADMIN | NET_BIND_SERVICE)
    }
  })
})

const ROUTER = `
apiVersion: v1
kind: Node
metadata: { name: tor-1 }
status:
  addresses:
    - { type: InternalIP, address: 10.0.0.1 }
    - { type: InternalIP, address: "fd00:10::1" }
---
apiVersion: godwit.dev/v1
kind: BGPConfiguration
metadata: { name: default }
spec: { asNumber: 65000, nodeToNodeMeshEnabled: false }
---
apiVersion: godwit.dev/v1
kind: BGPFilter
metadata: { name: take-all }
spec:
  importV4: [{ action: Accept }]
  importV6: [{ action: Accept }]
---
apiVersion: godwit.dev/v1
kind: BGPPeer
metadata: { name: worker-1 }
spec: { peerIP: 10.0.0.11, asNumber: 64512, filters: [take-all] }
`
