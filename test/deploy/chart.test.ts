/** The Helm chart gives the objects of the kustomization, and each value changes what it says and nothing else. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseArguments } from '../../src/cli/arguments.ts'
import { FILES, renderChart, renderNotes, VALUES, type Values } from './support/chart.ts'
import { DEPLOY, type Manifest, readManifests } from './support/crds.ts'
import { GoTemplates } from './support/go-template.ts'
import { COMPONENTS, kustomize, ROOT } from './support/kustomize.ts'

const nameOf = ({ kind, metadata }: Manifest): string => `${kind}/${metadata.name}`
const byName = (objects: readonly Manifest[]) =>
  Object.fromEntries(objects.map((object) => [nameOf(object), object]).sort())

/** What differs, as `DaemonSet/godwit spec.template.spec.nodeSelector`; entries of lists of another length, or of texts, count as their list. */
function differences(left: unknown, right: unknown, at: string): string[] {
  if (JSON.stringify(left) === JSON.stringify(right)) return []
  const both = [left, right].every((one) => typeof one === 'object' && one !== null && !Array.isArray(one))
  if (!both) {
    const [one, other] = [left, right].map((list) => (Array.isArray(list) ? list : []))
    const areLists = one?.length === other?.length && one?.every((entry) => typeof entry === 'object') === true
    if (!areLists || one?.length === 0) return [at]
    return (one ?? []).flatMap((entry, index) => differences(entry, other?.[index], `${at}.${index}`))
  }
  const names = new Set([...Object.keys(left as object), ...Object.keys(right as object)])
  return [...names].flatMap((name) =>
    differences((left as Values)[name], (right as Values)[name], at === '' ? name : `${at}.${name}`),
  )
}
const changedBy = (values: Values, under: Values = {}): string[] =>
  differences(byName(renderChart(under)), byName(renderChart({ ...under, ...values })), '').sort()

describe('the chart is the kustomization', () => {
  test.each([[[]], ...COMPONENTS.map((one) => [[one]]), [COMPONENTS], [[...COMPONENTS].reverse()]])(
    'with components %j, object by object',
    (components) => {
      const objects = [...kustomize(components).values()].filter(({ kind }) => kind !== 'CustomResourceDefinition')
      expect(byName(renderChart({ components, createNamespace: true }))).toEqual(byName(objects))
    },
  )

  test('the CRDs lie where Helm installs them from', () => {
    const named = (ROOT.resources ?? []).filter((path) => path.startsWith('crds/'))
    expect(FILES.filter((path) => path.startsWith('crds/'))).toEqual([...named].sort())
  })

  test('it carries what it renders, and nothing else', () => {
    const chart = ['.helmignore', 'Chart.yaml', 'kustomization.yaml', 'values.schema.json', 'values.yaml']
    const components = COMPONENTS.flatMap((name) => {
      const [one] = readManifests(`components/${name}/kustomization.yaml`)
      return ['kustomization.yaml', ...((one?.resources ?? []) as string[])].map((path) => `components/${name}/${path}`)
    })
    const templates = FILES.filter((path) => dirname(path) === 'templates')
    expect(FILES).toEqual([...chart, ...(ROOT.resources ?? []), ...components, ...templates].sort())
  })

  test('its version is the version of the agent, and so is the image', () => {
    const { version } = JSON.parse(readFileSync(join(DEPLOY, '../package.json'), 'utf8')) as { version: string }
    expect(readManifests('Chart.yaml')[0]).toMatchObject({ apiVersion: 'v2', version, appVersion: version })
    expect(ROOT.images).toEqual([{ name: 'godwit', newName: 'godwit', newTag: version }])
  })

  test('the namespace is an object only where it is asked for', () => {
    const kinds = renderChart().map(({ kind }) => kind)
    expect(kinds).not.toContain('Namespace')
    expect(changedBy({ createNamespace: true })).toEqual(['Namespace/godwit'])
  })
})

const POD = 'DaemonSet/godwit.spec.template.spec'
const BFD = { components: ['bfd'] }

describe('values', () => {
  test.each<[string, Values, string[], Values?]>([
    ['image.repository', { image: { repository: 'registry.example/godwit' } }, [`${POD}.containers.0.image`]],
    ['image.tag', { image: { tag: '0.2.0' } }, [`${POD}.containers.0.image`]],
    ['image.digest', { image: { digest: `sha256:${'0'.repeat(64)}` } }, [`${POD}.containers.0.image`]],
    ['image.pullPolicy', { image: { pullPolicy: 'Always' } }, [`${POD}.containers.0.imagePullPolicy`]],
    ['imagePullSecrets', { imagePullSecrets: [{ name: 'registry' }] }, [`${POD}.imagePullSecrets`]],
    ['logLevel', { logLevel: 'debug' }, [`${POD}.containers.0.args`]],
    ['args', { args: ['--table=100', '--adopt=bird'] }, [`${POD}.containers.0.args`]],
    ['env', { env: [{ name: 'KUBERNETES_SERVICE_HOST', value: '10.0.0.9' }] }, [`${POD}.containers.0.env`]],
    ['passwordSecrets', { passwordSecrets: ['bgp', 'rack-2'] }, ['Role/godwit.rules.0.resourceNames']],
    ['resources', { resources: { limits: { memory: '1Gi' } } }, [`${POD}.containers.0.resources`]],
    ['nodeSelector', { nodeSelector: { rack: '1' } }, [`${POD}.nodeSelector.rack`]],
    ['tolerations', { tolerations: [{ key: 'a', operator: 'Exists' }] }, [`${POD}.tolerations.0.key`]],
    ['podAnnotations', { podAnnotations: { a: 'b' } }, ['DaemonSet/godwit.spec.template.metadata.annotations']],
    ['podLabels', { podLabels: { team: 'net' } }, ['DaemonSet/godwit.spec.template.metadata.labels.team']],
    ['maxUnavailable', { maxUnavailable: '5%' }, ['DaemonSet/godwit.spec.updateStrategy.rollingUpdate.maxUnavailable']],
    [
      'bfd.resources',
      { bfd: { resources: { limits: { memory: '128Mi' } } } },
      ['DaemonSet/godwit-bfd.spec.template.spec.containers.0.resources'],
      BFD,
    ],
    [
      'logLevel of both',
      { logLevel: 'warn' },
      ['DaemonSet/godwit-bfd.spec.template.spec.containers.0.args', `${POD}.containers.0.args`],
      BFD,
    ],
  ])('%s changes its field alone', (_name, values, changed, under = {}) => {
    const whole = changedBy(values, under).map((path) => path.replace(/(?<=\.resources)\..*/, ''))
    expect([...new Set(whole)]).toEqual(changed)
  })

  test('a label that pods are found by is not replaced', () => {
    expect(changedBy({ podLabels: { 'app.kubernetes.io/name': 'other' } })).toEqual([])
  })

  test('annotations join those of a component', () => {
    const objects = byName(renderChart({ components: ['metrics'], podAnnotations: { a: 'b' } }))
    expect(objects['DaemonSet/godwit']).toMatchObject({
      spec: { template: { metadata: { annotations: { a: 'b', 'prometheus.io/port': '9179' } } } },
    })
  })

  test('the namespace of the release is the one of every object and every subject', () => {
    const objects = renderChart({ components: COMPONENTS, createNamespace: true }, 'network')
    expect(objects.find(({ kind }) => kind === 'Namespace')?.metadata.name).toBe('network')
    const namespaces = objects.flatMap(({ metadata }) => metadata.namespace ?? [])
    const subjects = objects.flatMap(({ subjects = [] }) => subjects as { namespace: string }[])
    expect(new Set(subjects.map(({ namespace }) => namespace))).toEqual(new Set(['network']))
    // Events about what has no namespace stand in `default`.
    expect(new Set(namespaces)).toEqual(new Set(['network', 'default']))
    const elsewhere = objects
      .filter(({ metadata }) => metadata.namespace === 'default')
      .map(({ metadata }) => metadata.name)
    expect(elsewhere).toEqual(['godwit-events', 'godwit-events'])
    expect(JSON.stringify(objects)).not.toContain('system:serviceaccount:godwit:')
  })

  test('the agent knows its words with all values at once', () => {
    const values = { components: COMPONENTS, logLevel: 'debug', args: ['--table=100'] }
    const spec = byName(renderChart(values))['DaemonSet/godwit']?.spec as {
      template: { spec: { containers: { args: string[] }[] } }
    }
    const words = parseArguments(spec.template.spec.containers[0]?.args ?? [])
    expect(words).toMatchObject({ kind: 'agent', options: { logLevel: 'debug', table: '100', cni: 'ptp' } })
  })
})

describe('wrong values', () => {
  interface Schema {
    readonly properties?: Readonly<Record<string, Schema>>
    readonly additionalProperties?: unknown
    readonly items?: { readonly enum?: readonly string[] }
  }
  const SCHEMA = JSON.parse(readFileSync(join(DEPLOY, 'values.schema.json'), 'utf8')) as Schema

  test('the schema names every value there is, and no other', () => {
    const { global: _, ...properties } = SCHEMA.properties ?? {}
    expect(Object.keys(properties).sort()).toEqual(Object.keys(VALUES).sort())
    expect(SCHEMA.additionalProperties).toBe(false)
    for (const group of ['image', 'bfd']) {
      expect(properties[group]?.additionalProperties).toBe(false)
      expect(Object.keys(properties[group]?.properties ?? {}).sort()).toEqual(
        Object.keys(VALUES[group] as object).sort(),
      )
    }
  })

  test('the schema knows every component', () => {
    expect(SCHEMA.properties?.components?.items?.enum).toEqual(COMPONENTS)
    expect(() => renderChart({ components: ['cnj'] })).toThrow('components: there is no "cnj"')
  })
})

test('what the README sets is a value', () => {
  const words = [...readFileSync(join(DEPLOY, 'README.md'), 'utf8').matchAll(/--set '?([\w.]+)=/g)]
  expect(words.length).toBeGreaterThan(1)
  for (const [, path = ''] of words) {
    expect(path.split('.').reduce<unknown>((at, name) => (at as Values | undefined)?.[name], VALUES)).toBeDefined()
  }
})

test('the notes name commands that the agent knows', () => {
  const commands = [...renderNotes().matchAll(/-- godwit (.*)$/gm)].map(([, words = '']) => words)
  expect(commands.length).toBeGreaterThan(1)
  for (const words of commands) expect(parseArguments(words.split(' ')).kind).toMatch(/^(?:command|doctor)$/)
})

describe('the renderer is as strict as Go', () => {
  const render = (source: string, data: unknown = {}) => new GoTemplates(new Map([['t', source]])).render('t', data)

  test.each([
    ['an unknown function', '{{ sprint .a }}', 'function "sprint" not defined'],
    ['an unknown variable', '{{ $x }}', 'undefined variable $x'],
    ['a field of nothing', '{{ .a.b }}', 'has no fields'],
    ['a field that a list has not', '{{ set .list "a" 1 | toYaml }}', 'has no fields'],
    ['what prints as nothing', '{{ .missing }}', 'prints undefined'],
    ['two types compared', '{{ if eq .text 1 }}{{ end }}', 'incompatible types'],
    ['a value that is called', '{{ .text "x" }}', 'is called'],
    ['an if without end', '{{ if .text }}', 'has no end'],
    ['an end without if', '{{ end }}', 'ends nothing'],
    ['a patch that does not fit', '{{ index .list 4 }}', 'index 4'],
  ])('%s is refused', (_name, source, words) => {
    expect(() => render(source, { text: 'a', list: ['b'] })).toThrow(words)
  })

  // What Go 1.19 with sprig 2.22 prints.
  test.each([
    ['a {{- /* none */ -}} b', 'ab'],
    ['{{ range $x := .list }}<{{ $x }}{{ . }}>{{ end }}', '<bb><cc>'],
    ['{{ $x := "1" }}{{ if .text }}{{ $x = "2" }}{{ end }}{{ $x }}', '2'],
    ['{{ $x := "1" }}{{ if .text }}{{ $x := "2" }}{{ end }}{{ $x }}', '1'],
    ['{{ if .none }}1{{ else if .text }}2{{ else }}3{{ end }}', '2'],
    ['{{ define "d" }}[{{ . }}]{{ end }}{{ include "d" (index .list 0) }}', '[b]'],
    ['{{ printf "%s=%q" .text "}}" }}', 'a="}}"'],
    ['{{ toYaml (merge (dict) (dict "a" "1") (dict "a" "2" "b" "3")) }}', 'a: "1"\nb: "3"'],
    ['{{ (dict "a" (list "x")).a | toJson }}', '["x"]'],
  ])('%s prints %j', (source, printed) => {
    expect(render(source, { text: 'a', list: ['b', 'c'] })).toBe(printed)
  })
})
