/** The tools of others on our files, where they are installed: promtool on the alerts, kubectl's kustomize on the whole. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { cp, mkdir, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { renderChart } from '../support/chart.ts'
import { DEPLOY } from '../support/crds.ts'
import { COMPONENTS, kustomize } from '../support/kustomize.ts'

const run = (...[program = '', ...words]: readonly string[]) =>
  spawnSync(program, words, { encoding: 'utf8', timeout: 60_000, maxBuffer: 2 ** 26 })

const hasPromtool = run('promtool', '--version').status === 0
describe.skipIf(!hasPromtool)(hasPromtool ? 'promtool' : 'promtool (not installed)', () => {
  test.each([
    ['check rules', join(DEPLOY, 'alerts.yaml')],
    ['test rules', new URL('alerts.yaml', import.meta.url).pathname],
  ])('%s', (words, path) => {
    const { status, stdout, stderr } = run('promtool', ...words.split(' '), path)
    expect(status, `${stdout}${stderr}`).toBe(0)
  })
})

const hasKustomize = run('kubectl', 'kustomize', '--help').status === 0
describe.skipIf(!hasKustomize)(hasKustomize ? 'kubectl kustomize' : 'kubectl kustomize (no kubectl)', () => {
  let work = ''
  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'godwit-kustomize-'))
    await cp(DEPLOY, join(work, 'deploy'), { recursive: true })
  })
  afterAll(() => rm(work, { recursive: true, force: true }))

  function build(folder: string): { kind: string; metadata: { name: string } }[] {
    const { status, stdout, stderr } = run('kubectl', 'kustomize', folder)
    expect(status, stderr).toBe(0)
    return parseAllDocuments(stdout).map((document) => document.toJS())
  }

  test('builds the objects that other tests take for it', () => {
    const objects = build(join(work, 'deploy'))
    expect(objects).toHaveLength(kustomize([]).size)
    for (const object of objects) expect(object).toEqual(kustomize([]).get(`${object.kind}/${object.metadata.name}`))
  })

  test('builds what there is to apply', () => {
    const kinds = build(join(work, 'deploy')).map(({ kind }) => kind)
    expect(kinds.filter((kind) => kind === 'CustomResourceDefinition')).toHaveLength(6)
    expect(kinds).toEqual(
      expect.arrayContaining(['Namespace', 'ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'DaemonSet']),
    )
  })

  test('builds with every component, from the lines that only wait for their #', async () => {
    const path = join(work, 'deploy/kustomization.yaml')
    const text = readFileSync(path, 'utf8')
    const open = text.replace('components: []', 'components:').replaceAll(/^#( {2}- components)/gm, '$1')
    for (const name of await readdir(join(DEPLOY, 'components'))) expect(open).toContain(`\n  - components/${name}\n`)
    writeFileSync(path, open)
    const daemonSet = JSON.stringify(build(join(work, 'deploy')).find(({ kind }) => kind === 'DaemonSet'))
    for (const word of ['--cni=ptp', '--http=:9179', '--api-group=projectcalico.org']) expect(daemonSet).toContain(word)
    writeFileSync(path, text)
  })

  test('builds from a folder of one’s own beside it, as the README shows', async () => {
    const own = join(work, 'own')
    await mkdir(own)
    await cp(join(DEPLOY, 'examples/tor/bgp.yaml'), join(own, 'bgp.yaml'))
    const lines = ['resources: [../deploy, bgp.yaml]', 'components: [../deploy/components/cni]']
    writeFileSync(join(own, 'kustomization.yaml'), `${lines.join('\n')}\n`)
    const objects = build(own)
    expect(JSON.stringify(objects)).toContain('--cni=ptp')
    expect(objects.filter(({ kind }) => kind === 'BGPPeer')).toHaveLength(4)
  })
})

const hasHelm = run('helm', 'version', '--short').status === 0
describe.skipIf(!hasHelm)(hasHelm ? 'helm' : 'helm (not installed)', () => {
  test('lint finds nothing', () => {
    const { status, stdout, stderr } = run('helm', 'lint', '--strict', DEPLOY)
    expect(status, `${stdout}${stderr}`).toBe(0)
  })

  test.each([[[]], [COMPONENTS]])('template with components %j gives what other tests take for it', (components) => {
    const words = ['--namespace', 'godwit', '--kube-version', '1.30.0', '--set', `components={${components.join(',')}}`]
    const { status, stdout, stderr } = run('helm', 'template', 'godwit', DEPLOY, ...words)
    expect(status, stderr).toBe(0)
    const objects = parseAllDocuments(stdout).flatMap((document) => document.toJS() ?? [])
    expect(objects).toHaveLength(renderChart({ components }).length)
    expect(objects).toEqual(expect.arrayContaining(renderChart({ components })))
  })
})
