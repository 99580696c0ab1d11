/** `godwit check` with its doors: folders, files and standard input. */
import { execFile, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openApi } from '../support/api-server/open.ts'
import { bgpAdvertisement, bgpConfiguration, bgpPeer, node, pod } from '../support/objects.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const RACK = `${ROOT}deploy/examples/rack/cluster.yaml`
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'godwit-'))
})
afterAll(() => rm(folder, { recursive: true }))

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

function check(words: readonly string[], input = ''): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [`${ROOT}src/main.ts`, 'check', ...words], (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err })
    })
    child.stdin?.end(input)
  })
}

describe('what is read', () => {
  test.each([
    ['a file', [RACK], ''],
    ['a folder', [`${ROOT}deploy/examples/rack`], ''],
    ['standard input', ['-'], readFileSync(RACK, 'utf8')],
  ])('%s', async (_, words, input) => {
    const { code, out, err } = await check(words, input)
    expect([code, err]).toEqual([0, ''])
    expect(out).toContain('+ 10.244.1.0/24    Node/worker-1')
    expect(out).toMatch(/\n1 node: 0 errors, 0 warnings\n$/)
  })

  test.each(['.dump', '.yaml', '.json', 'dump', 'a\nb.yaml', 'x'.repeat(253), 'dump.JSON'])(
    'a file of any name: %j',
    async (name) => {
      const place = await mkdtemp(join(folder, 'names-'))
      const path = join(place, name)
      await copyFile(RACK, path)
      expect(await check([path])).toMatchObject({ code: 0, out: expect.stringMatching(/\n1 node: 0 errors/) })
    },
  )

  test('a pipe, as the shell hands it over', async () => {
    const command = `"${process.execPath}" "${ROOT}src/main.ts" check <(cat "${RACK}") --diff <(cat "${RACK}")`
    const { stdout } = await promisify(execFile)('bash', ['-c', command], { timeout: 20_000 })
    expect(stdout).toMatch(/\n1 node: 0 errors/)
  })

  test.each(['-', '<(cat)'])('a pipe that never ends, as %s', async (source) => {
    const temporary = await mkdtemp(join(folder, 'endless-'))
    const command = `yes 'a: b' | "${process.execPath}" "${ROOT}src/main.ts" check ${source}`
    const env = { ...process.env, TMPDIR: temporary }
    const ended = promisify(execFile)('bash', ['-c', command], { timeout: 30_000, env })
    await expect(ended).rejects.toMatchObject({
      code: 1,
      stderr: 'godwit: E_SOURCE the input is larger than 16777216 bytes\n',
    })
    expect(await readdir(temporary)).toEqual([])
  })

  describe('nothing at all is an error: the other end of a pipe has failed, or the folder is the wrong one', () => {
    const place = async (content?: string): Promise<string> => {
      const made = await mkdtemp(join(folder, 'nothing-'))
      if (content !== undefined) await writeFile(join(made, 'a.yaml'), content)
      return made
    }

    test('an empty pipe', async () => {
      expect(await check(['-'])).toEqual({ code: 1, out: '', err: 'godwit: E_SOURCE the input is empty\n' })
    })

    test('a folder without manifests', async () => {
      const empty = await place()
      const says = `${empty}: no file *.yaml, *.yml or *.json stands directly in this folder`
      expect(await check([empty])).toEqual({ code: 1, out: '', err: `godwit: E_SOURCE ${says}\n` })
    })

    test('an empty file', async () => {
      const path = join(await place(''), 'a.yaml')
      expect(await check([path])).toEqual({ code: 1, out: '', err: `godwit: E_SOURCE ${path} is empty\n` })
    })

    test('not before the first change', async () => {
      const path = join(await place(''), 'a.yaml')
      expect(await check([RACK, '--diff', path])).toMatchObject({ code: 0, out: expect.stringContaining('+ is new') })
    })

    test('not a file without objects of ours', async () => {
      expect(await check([await place('# nothing of ours\n')])).toMatchObject({ code: 0 })
    })
  })

  test('what is not there is one line', async () => {
    expect(await check([join(folder, 'none.yaml')])).toEqual({
      code: 1,
      out: '',
      err: `godwit: E_SOURCE ${join(folder, 'none.yaml')}: No such file or directory\n`,
    })
  })
})

test('a reader that has read enough is no error, and changes no exit code', async () => {
  const nodes = Array.from({ length: 100 }, (_, index) => {
    const metadata = { name: `n${index}` }
    const addresses = [{ type: 'InternalIP', address: `192.0.2.${index}` }]
    return {
      apiVersion: 'v1',
      kind: 'Node',
      metadata,
      spec: { podCIDRs: [`10.${index}.0.0/16`] },
      status: { addresses },
    }
  })
  const file = join(folder, 'many.json')
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: nodes }))
  const child = spawn(process.execPath, [`${ROOT}src/main.ts`, 'check', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.once('data', () => child.stdout.destroy())
  let err = ''
  child.stderr.on('data', (data) => {
    err += String(data)
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect([err, code]).toEqual(['', 0])
})

test('a cluster that refuses the connection is one line, long before the limit for slow ones', async () => {
  const kubeconfig = join(folder, 'kubeconfig')
  const parts = {
    clusters: [{ name: 'none', cluster: { server: 'http://127.0.0.1:1' } }],
    contexts: [{ name: 'none', context: { cluster: 'none', user: 'none' } }],
    users: [{ name: 'none', user: {} }],
  }
  const config = { apiVersion: 'v1', kind: 'Config', 'current-context': 'none', ...parts }
  await writeFile(kubeconfig, JSON.stringify(config))
  const { code, out, err } = await check(['kubernetes', '--kubeconfig', kubeconfig])
  expect([code, out]).toEqual([1, ''])
  expect(err).toMatch(/^godwit: E_SOURCE Kubernetes: http:\/\/127\.0\.0\.1:1: Connection refused[^\n]*\n$/)
}, 50_000)

test('of a live cluster, pods are read where a BGPAdvertisement names some, on every node', async () => {
  const { api, kubeconfig, close } = await openApi()
  try {
    const pods = (asks: boolean) =>
      bgpAdvertisement('dns', { routes: [asks ? { pods: { selector: "app == 'dns'" } } : { podCIDRs: true }] })
    for (const [name, last] of [
      ['n1', 11],
      ['n2', 12],
    ] as const) {
      api.apply(node(name, { addresses: [`10.0.0.${last}`] }))
      const options = { node: name, addresses: [`10.244.1.${last}`], ready: true }
      api.apply(pod(`infra/${name}`, { ...options, labels: { app: 'dns' } }))
      api.apply(pod(`infra/other-${name}`, { ...options, labels: { app: 'web' } }))
    }
    api.apply(bgpConfiguration({ nodeToNodeMeshEnabled: false }))
    api.apply(bgpPeer('tor', { peerIP: '10.0.0.1', asNumber: 65000 }))
    api.apply(pods(false))
    expect((await check(['kubernetes', '--kubeconfig', kubeconfig])).out).not.toContain('Pod/')
    expect(api.requests.some(({ path }) => path.endsWith('/pods'))).toBe(false)
    api.apply(pods(true))
    const { code, out, err } = await check(['kubernetes', '--kubeconfig', kubeconfig])
    expect([code, err]).toEqual([0, ''])
    expect(out.match(/\+ \S+ +Pod\/.*/g)).toEqual(['+ 10.244.1.11/32  Pod/infra/n1', '+ 10.244.1.12/32  Pod/infra/n2'])
  } finally {
    await close()
  }
})

describe('what is said', () => {
  test('errors name file and field, and the exit code stops a CI run', async () => {
    const file = join(folder, 'wrong.txt')
    await writeFile(
      file,
      'apiVersion: godwit.dev/v1\nkind: BGPPeer\nmetadata: { name: x }\nspec: { peerIP: 10.0.0.300, asNumber: 1 }\n',
    )
    const { code, out } = await check([file])
    expect(code).toBe(1)
    expect(out).toMatch(/^error {4}BGPPeer\/x spec\.peerIP: "10\.0\.0\.300" /)
  })

  test('as JSON, and only one node', async () => {
    const { out } = await check([RACK, '--json', '--node', 'worker-1'])
    expect(JSON.parse(out)).toMatchObject({ problems: [], nodes: [{ node: 'worker-1' }] })
  })

  test('what a change adds and withdraws', async () => {
    const file = join(folder, 'changed.yaml')
    await writeFile(file, (await readFile(RACK, 'utf8')).replaceAll('192.0.2.0/24', '203.0.113.0/24'))
    const { out } = await check([file, '--diff', RACK])
    expect(out).toContain('  + 203.0.113.0/24 to Global_10_0_0_1')
    expect(out).toContain('  - 192.0.2.0/24 to Global_10_0_0_1')
  })

  test("of Calico's own objects what differs from Calico", async () => {
    const file = join(folder, 'calico.yaml')
    const text = (await readFile(RACK, 'utf8')).replaceAll('godwit.dev/v1', 'projectcalico.org/v3')
    await writeFile(file, text)
    const { out } = await check([file, '--api-group', 'projectcalico.org'])
    expect(out).toContain('Differs from Calico: learned routes to eBGP neighbors')
  })
})
