/** The unit for machines without Kubernetes: the rights it names are enough for an ordinary user, and all are used. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { hasNft, Namespace } from '../../support/namespace.ts'

const ROOT = new URL('../../../', import.meta.url).pathname
const UNIT = await readFile(`${ROOT}deploy/systemd/godwit.service`, 'utf8')
const setting = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(UNIT)?.[1] ?? ''
const hasSetpriv = spawnSync('setpriv', ['--version']).status === 0
const NOBODY = 65534

let folder = ''
let host: Namespace

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-'))
  await chmod(folder, 0o755)
  host = new Namespace('unit')
  host.ip('link add eth0 type bridge')
  host.ip('link set eth0 up')
  host.address('eth0', '10.0.0.11/24')
})

afterEach(async () => {
  host.remove()
  await rm(folder, { recursive: true })
})

/** What ships and the Node that runs it, where an ordinary user may read them. */
async function install(): Promise<readonly string[]> {
  await cp(`${ROOT}dist`, join(folder, 'dist'), { recursive: true })
  await cp(`${ROOT}deploy/examples/rack`, join(folder, 'manifests'), { recursive: true })
  await cp(process.execPath, join(folder, 'node'))
  await mkdir(join(folder, 'run'))
  spawnSync('chown', [String(NOBODY), join(folder, 'run')])
  spawnSync('chmod', ['-R', 'a+rX', folder])
  return [join(folder, 'node'), join(folder, 'dist/godwit.mjs')]
}

test.skipIf(!hasNft || !hasSetpriv)('an ordinary user with these capabilities writes routes and NAT', async () => {
  const capabilities = setting('AmbientCapabilities').split(' ')
  expect(setting('CapabilityBoundingSet').split(' ')).toEqual(capabilities)
  expect(setting('NoNewPrivileges')).toBe('yes')
  const set = ['-all', ...capabilities.map((name) => name.replace('CAP_', '+').toLowerCase())].join(',')
  spawnSync(process.execPath, [`${ROOT}src/build.ts`])
  const program = await install()
  const socket = join(folder, 'run/s')
  const rights = [`--inh-caps=${set}`, `--ambient-caps=${set}`, `--bounding-set=${set}`, '--no-new-privs']
  const words = ['--node', 'worker-1', '--source', join(folder, 'manifests'), '--control', socket, '--http', 'none']
  const agent = spawn(
    'ip',
    [
      ...[
        'netns',
        'exec',
        host.name,
        'setpriv',
        '--reuid',
        String(NOBODY),
        '--regid',
        String(NOBODY),
        '--clear-groups',
      ],
      ...[...rights, ...program, 'agent', ...words],
    ],
    { stdio: 'ignore' },
  )
  try {
    await vi.waitFor(
      () => {
        expect(host.ip('route show proto 171')).toContain('blackhole 10.244.1.0/24')
        expect(host.run('nft list tables')).toContain('table inet godwit')
        expect(host.run('ss -ltn')).toContain(':179 ')
      },
      { timeout: 25_000, interval: 300 },
    )
  } finally {
    agent.kill('SIGTERM')
    await once(agent, 'exit')
  }
})

test('the unit reloads by the signal that reads the manifests anew, and keeps what the next start must know', () => {
  expect(setting('ExecReload')).toContain('-HUP')
  expect(setting('RuntimeDirectoryPreserve')).toBe('yes')
})
