/**
 * The CRDs say what the agent's own readers say: the same fields, the same limits, the same defaults. What one side
 * takes and the other refuses is named here, with the reason.
 */
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { Fields } from '../../src/cluster/parse/fields.ts'
import { parseObject } from '../../src/cluster/parse/object.ts'
import type { Kind } from '../../src/cluster/source.ts'
import { NODE_STATUS, resourcesOf } from '../../src/edge/resources.ts'
import { whyNoRule } from './support/cel.ts'
import { CRDS, schemaOf } from './support/crds.ts'
import { faults, type Schema, walk } from './support/schema.ts'

type Spec = Record<string, unknown>

const KINDS = [
  'BGPConfiguration',
  'BGPPeer',
  'BGPFilter',
  'BGPAdvertisement',
  'IPPool',
] as const satisfies readonly Kind[]
type OurKind = (typeof KINDS)[number]

/** The least that each kind must say. */
const BASE: Readonly<Record<OurKind, Spec>> = {
  BGPConfiguration: {},
  BGPPeer: { peerIP: '10.0.0.1', asNumber: 65000 },
  BGPFilter: {},
  BGPAdvertisement: { routes: [{ podCIDRs: true }] },
  IPPool: { cidr: '10.244.0.0/16' },
}

const nameOf = (kind: OurKind): string => (kind === 'BGPConfiguration' ? 'default' : 'one')

const objectOf = (kind: OurKind, spec: unknown, name = nameOf(kind)) => ({
  apiVersion: 'godwit.dev/v1',
  kind,
  metadata: { name },
  spec,
})

/** What the agent refuses or does not know. Fields it knows and leaves out are no fault. */
const REFUSALS = ['value-wrong', 'field-missing', 'field-unknown']
function agentFaults(kind: OurKind, spec: unknown): string[] {
  const { problems } = parseObject({ kind, namespace: '', name: nameOf(kind) }, objectOf(kind, spec))
  return problems.filter(({ code }) => REFUSALS.includes(code)).map(({ text }) => text)
}
const schemaFaults = (kind: OurKind, spec: unknown): string[] => faults(schemaOf(kind), objectOf(kind, spec))

const specSchema = (kind: OurKind): Schema => schemaOf(kind).properties?.spec as Schema
const fieldsOf = (kind: OurKind): [string, Schema][] =>
  walk(specSchema(kind), 'spec').filter(([path]) => path !== 'spec')

test('each kind of ours has its CRD, served where the agent looks', () => {
  const served = [...CRDS.values()].map(({ spec, metadata }) => {
    expect(metadata.name).toBe(`${spec.names.plural}.${spec.group}`)
    return { kind: spec.names.kind, plural: spec.names.plural, namespaced: spec.scope !== 'Cluster' }
  })
  const read = resourcesOf('godwit.dev').filter(({ custom }) => custom)
  expect(served).toEqual(
    expect.arrayContaining(read.map(({ kind, plural, namespaced }) => ({ kind, plural, namespaced }))),
  )
  // And the one it writes.
  const { kind, plural } = NODE_STATUS
  expect(served).toContainEqual({ kind, plural, namespaced: false })
  expect(served).toHaveLength(read.length + 1)
  for (const { apiVersion } of read) expect(apiVersion).toBe('godwit.dev/v1')
  const shortNames = [...CRDS.values()].flatMap(({ spec }) => spec.names.shortNames)
  expect(new Set(shortNames).size).toBe(shortNames.length)
})

/** Where a value goes so that the rest of the object is right. Else it is put into the least object. */
const PLACES: Readonly<Record<string, (value: unknown) => Spec>> = {
  'BGPConfiguration spec.communities[].name': (name) => ({ communities: [{ name, value: '1:1' }] }),
  'BGPConfiguration spec.communities[].value': (value) => ({ communities: [{ name: 'a', value }] }),
  'BGPConfiguration spec.prefixAdvertisements[].communities': (communities) => ({
    prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities }],
  }),
  'BGPConfiguration spec.prefixAdvertisements[].communities[]': (community) => ({
    prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: [community] }],
  }),
  'BGPPeer spec.interface': (name) => ({ interface: name, asNumber: 65000 }),
  'BGPPeer spec.peerSelector': (peerSelector) => ({ peerSelector }),
  'BGPPeer spec.localWorkloadSelector': (localWorkloadSelector) => ({ localWorkloadSelector }),
  'BGPPeer spec.gatewayFamilies': (gatewayFamilies) => ({ peerIP: 'DefaultGateway', asNumber: 65000, gatewayFamilies }),
  'BGPPeer spec.gatewayFamilies[]': (one) => ({ peerIP: 'DefaultGateway', asNumber: 65000, gatewayFamilies: [one] }),
  'BGPPeer spec.peerIPFrom': (peerIPFrom) => ({ peerIPFrom, asNumber: 65000 }),
  'BGPPeer spec.peerIPFrom.label': (label) => ({ peerIPFrom: { label }, asNumber: 65000 }),
  'BGPPeer spec.peerIPFrom.annotation': (annotation) => ({ peerIPFrom: { annotation }, asNumber: 65000 }),
  'BGPPeer spec.asNumberFrom': (asNumberFrom) => ({ peerIP: '10.0.0.1', asNumberFrom }),
  'BGPPeer spec.asNumberFrom.label': (label) => ({ peerIP: '10.0.0.1', asNumberFrom: { label } }),
  'BGPPeer spec.asNumberFrom.annotation': (annotation) => ({ peerIP: '10.0.0.1', asNumberFrom: { annotation } }),
  'BGPPeer spec.peerRange': (peerRange) => ({ peerRange, asNumber: 65000 }),
  'BGPPeer spec.peerRangeLimit': (peerRangeLimit) => ({ peerRange: '10.0.0.0/24', asNumber: 65000, peerRangeLimit }),
  'BGPPeer spec.remoteAS': (remoteAS) => ({ peerIP: '10.0.0.1', remoteAS }),
  'BGPPeer spec.strictRole': (strictRole) => ({ ...BASE.BGPPeer, role: 'customer', strictRole }),
  'IPPool spec.cidr': (cidr) => ({ cidr }),
}
const ALL = { V4: '0.0.0.0/0', V6: '::/0' } as const

function place(kind: OurKind, path: string, value: unknown): Spec {
  const special = PLACES[`${kind} ${path}`]
  if (special !== undefined) return special(value)
  if (kind === 'BGPFilter') return placeInRule(path, value)
  return { ...BASE[kind], ...(nest(path.split('.').slice(1), value) as Spec) }
}

/** `a.b[].c` → `{a: {b: [{c: value}]}}`. */
function nest([step = '', ...rest]: readonly string[], value: unknown): unknown {
  const lists = step.split('[]').length - 1
  let inner = rest.length === 0 ? value : nest(rest, value)
  for (let list = 0; list < lists; list++) inner = [inner]
  return { [step.replaceAll('[]', '')]: inner }
}

function placeInRule(path: string, value: unknown): Spec {
  const [, list = '', ...rest] = path.split('.')
  const name = list.replace('[]', '')
  if (!list.endsWith('[]')) return { [name]: value }
  if (rest.length === 0) return { [name]: [value] }
  const cidr = name.endsWith('V4') ? ALL.V4 : ALL.V6
  const beside = /^(cidr|matchOperator|prefixLength)$/.test(rest[0] ?? '') ? { cidr, matchOperator: 'In' } : {}
  const rule = { action: 'Accept', ...beside, ...(nest(rest, value) as Spec) }
  if (rest[0] === 'matchOperator') return { [name]: [rule] }
  return { [name]: [rule] }
}

const TEXTS = [
  ...['', 'x', 'x'.repeat(16), 'x'.repeat(65), 'all()', "has(a) && b == 'c'"],
  ...[
    '0',
    '1',
    '2',
    '3',
    '90',
    '90s',
    '1m30s',
    '1h',
    '19h',
    '0s',
    '1s',
    '2s',
    '3s',
    '4.0s',
    '1.5s',
    '-1s',
    '5 s',
    '3601s',
  ],
  ...['65535s', '65536s', '65536', '21845s', '21846s', '1d'],
  ...['10.0.0.1', '10.0.0.1:179', '10.0.0.1:0', '10.0.0.1:65535', '10.0.0.1:65536', '10.0.0.256', '10.0.0'],
  ...[
    'fd00::1',
    '[fd00::1]',
    '[fd00::1]:179',
    '[fd00::1]:0',
    '[10.0.0.1]:179',
    'fe80::1',
    '[fe80::1]:179',
    'fe80::1%eth0',
    'fe80::1%2',
    'fe80::1%..',
    '[fe80::1%eth0.100]:179',
    'fd00::1%eth0',
    'eth0',
    'eth/0',
    'DefaultGateway',
    'defaultGateway',
    'example.com/rack-as',
    'Example.com/a',
    'a/b/c',
  ],
  // Addresses that no host has for itself, and some that look like those.
  ...['0.0.0.0', '0.1.2.3:179', '255.255.255.255', '255.255.255.254', '224.0.0.1', '239.1.1.1:179', '240.0.0.1'],
  ...['::', '[::]:179', '0:0:0:0:0:0:0:0', 'ff02::1', 'FF02::1%eth0', '[ff02::1]:179', '::1', '127.0.0.1', '::2:1'],
  ...['::ffff:10.0.0.1', '[::ffff:10.0.0.1]:179', '0:0::FFFF:a00:1', '::ffff:0:10.0.0.1', '::10.0.0.1', '1::ffff:1:1'],
  ...['10.0.0.0/8', '10.0.0.1/8', '10.0.0.0/33', '0.0.0.0/0', 'fd00::/8', '::/0', 'fd00::/129', '/8'],
  ...['64512:1', '65535:65535', '65536:1', '1:65536', '64512:1:1', '4294967295:0:4294967295', '4294967296:1:1'],
  ...['01:1', 'a:b', '1:', '1:1:1:1', 'no-export', '1x:1', ':1', '1024:65535', '2000-1000', '0-5'],
  ...['1.10', '0.1', '0.0', '65535.65535', '65536.1', '1.65536', '1.2.3', '4294967295', '4294967296'],
  ...['ipv4', 'IPv6', 'ipv5', 'Auto', 'Self', 'Keep', 'Manual', 'UseNodeIP', 'None', 'NodeIP', 'Enabled', 'Disabled'],
  ...['Equal', 'NotEqual', 'In', 'NotIn', 'RemotePeers', 'eBGP', 'iBGP', 'Accept', 'Reject', 'accept'],
  ...['IPPoolsOnly', 'IPPoolsAndHostIPs', 'Never', 'Always', 'Workload', 'LoadBalancer', 'Info', 'Automatic'],
]
const NUMBERS = [
  ...[-1, 0, 1, 2, 3, 19, 20, 32, 33, 128, 129, 255, 256, 3600, 3601, 21845, 21846, 65535, 65536],
  ...[2147483646, 2147483647, 4294967295, 4294967296, 1.5],
]
const OTHERS = [true, false, [], [[]], [{}], ['x'], {}, { x: 1 }]
const VALUES: readonly unknown[] = [...TEXTS, ...NUMBERS, ...OTHERS]

/** The words and limits a schema names, and what lies just beyond. */
const edgesOf = ({ enum: words = [], minimum, maximum }: Schema): unknown[] => [
  ...words,
  ...[minimum, maximum].flatMap((edge) => (edge === undefined ? [] : [edge - 1, edge, edge + 1])),
]

/** The same of what the agent names when it refuses: `is none of a, b`, `is not a whole number from 1 to 100`. */
function edgesIn(fault: string): unknown[] {
  const words = / is none of (.*)$/.exec(fault)?.[1]?.split(', ') ?? []
  const [, min, max] = / from (\d+)s? to (\d+)s?$/.exec(fault) ?? []
  const numbers = min === undefined ? [] : [Number(min), Number(max)]
  return [...words, ...numbers.flatMap((edge) => [edge - 1, edge, edge + 1])]
}

const hasParentheses = (value: unknown) => typeof value === 'string' && /[()]/.test(value)
const isNumber = (value: unknown) => typeof value === 'number'
const isBoolean = (value: unknown) => typeof value === 'boolean'

/** The agent does not look inside (yet), so it takes what the schema refuses. */
const NOT_READ: Readonly<Record<OurKind, readonly RegExp[]>> = {
  BGPConfiguration: [
    /^spec\.(nodeMeshPassword|nodeMeshKeyChain|logSeverityScreen|ignoredInterfaces|localWorkloadPeeringIPV[46])/,
    /^spec\.ipv[46]NormalRoutePriority$/,
  ],
  BGPPeer: [/^spec\.(localWorkloadSelector|password|keyChain|ttlSecurity|reachableBy)/],
  BGPFilter: [/interface$/],
  BGPAdvertisement: [],
  IPPool: [
    /^spec\.(blockSize|nodeSelector|namespaceSelector|assignmentMode)$/,
    // Any text is read, and what is no known word says nothing.
    /^spec\.(ipipMode|vxlanMode|allowedUses(\[\])?)$/,
  ],
}

/** The agent takes these, the CRD does not. */
const AGENT_ONLY: Readonly<Record<string, (value: unknown) => boolean>> = {
  // The API knows no "number or object" and no "boolean or list": the long form is its own, the short one is for
  // annotations (`godwit.dev/maxPrefixes: "1000"`) and for folders of manifests.
  'BGPPeer spec.maxPrefixes': isNumber,
  'BGPPeer spec.maxPrefixes.ipv4': isNumber,
  'BGPPeer spec.maxPrefixes.ipv6': isNumber,
  'BGPPeer spec.addPath.receive': isBoolean,
  'BGPPeer spec.addPath.send': isBoolean,
  'IPPool spec.nat.portRange': (value) => String(value).startsWith('0'),
}

/** The CRD takes these, the agent does not. */
const SCHEMA_ONLY: Readonly<Record<string, (value: unknown) => boolean>> = {
  // No pattern can count parentheses.
  'BGPPeer spec.nodeSelector': hasParentheses,
  'BGPPeer spec.peerSelector': hasParentheses,
  'BGPAdvertisement spec.nodeSelector': hasParentheses,
  'BGPAdvertisement spec.peerSelector': hasParentheses,
  'BGPAdvertisement spec.routes[].services.selector': hasParentheses,
  'BGPAdvertisement spec.routes[].pools.selector': hasParentheses,
}

/** An API server looks at no type where a format stands and the value is a list (seen with Kubernetes 1.36). */
const isListOfFormat = (schema: Schema, value: unknown): boolean => {
  const text = schema.items ?? schema
  return text.format !== undefined && Array.isArray(value)
}

/** A rule here would cost more than an API server lets a rule cost: it is asked for each of ten thousand entries. */
const PATTERNS = [
  /^spec\.(?:export|import)V[46]\[\]\.(?:communities|asPathPrefix|operations)/,
  /^spec\.prefixAdvertisements\[\]\.communities\[\]$/,
  /^spec\.prependASPath\[\]$/,
  /^spec\.(?:localWorkloadPeeringIPV[46]|ignoredInterfaces\[\])$/,
]

describe.each(KINDS)('%s', (kind) => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  test('the agent asks for the fields of the schema, and the schema has those the agent asks for', () => {
    const asked = new Set<string>()
    const original = Fields.prototype.raw
    vi.spyOn(Fields.prototype, 'raw').mockImplementation(function (this: Fields, name: string) {
      if (this.path.startsWith('spec')) asked.add(`${this.path}.${name}`.replaceAll(/\[\d+\]/g, '[]'))
      return original.call(this, name)
    })
    const objects = fieldsOf(kind).filter(([, { type, items }]) => type === 'object' || items !== undefined)
    // Into every object and list the schema knows: an entry without fields is enough to be asked for them.
    for (const [path, { type, items }] of objects)
      agentFaults(kind, place(kind, path, type === 'object' ? {} : items?.type === 'object' ? [{}] : []))
    for (const [path] of fieldsOf(kind)) agentFaults(kind, place(kind, path, undefined))
    for (const [path] of fieldsOf(kind)) agentFaults(kind, place(kind, path, {}))
    const known = new Set(
      fieldsOf(kind)
        .map(([path]) => path)
        .filter((path) => !path.endsWith('[]')),
    )
    const opaque = (path: string) => NOT_READ[kind].some((one) => one.test(path) && !asked.has(path))
    expect([...asked].filter((path) => !known.has(path))).toEqual([])
    expect([...known].filter((path) => !asked.has(path) && !opaque(path))).toEqual([])
  })

  test.each(fieldsOf(kind))('%s has the same limits on both sides', (path, schemaOfField) => {
    const key = `${kind} ${path}`
    const notRead = NOT_READ[kind].some((one) => one.test(path))
    const values = [...VALUES, ...edgesOf(schemaOfField), ...agentFaults(kind, place(kind, path, -7)).flatMap(edgesIn)]
    const verdicts = values.map((value) => {
      const spec = place(kind, path, value)
      const [schema] = schemaFaults(kind, spec)
      const [agent] = agentFaults(kind, spec)
      const isTaken = SCHEMA_ONLY[key]?.(value) || isListOfFormat(schemaOfField, value)
      if (schema === undefined && agent !== undefined && !isTaken) return `agent only: ${agent}`
      if (schema !== undefined && agent === undefined && !notRead && !AGENT_ONLY[key]?.(value))
        return `schema only: ${schema} (${JSON.stringify(value)})`
      return undefined
    })
    expect(verdicts.filter((verdict) => verdict !== undefined)).toEqual([])
  })

  test('a list has as many entries on both sides, and no more', () => {
    for (const [path, { type, maxItems }] of fieldsOf(kind)) {
      if (type !== 'array' || NOT_READ[kind].some((one) => one.test(path))) continue
      expect(maxItems, path).toBeDefined()
      const faultsOf = (count: number) => agentFaults(kind, place(kind, path, Array(count).fill(null)))
      const tooMany = (count: number) =>
        faultsOf(count).filter((fault) => /has more than|more than \d+ entries/.test(fault))
      expect(tooMany(Number(maxItems)), path).toEqual([])
      expect(faultsOf(Number(maxItems) + 1), path).not.toEqual([])
    }
  })

  test('a field nobody knows is none to either, wherever it stands', () => {
    const objects = fieldsOf(kind).filter(
      ([path, { type }]) => type === 'object' && !NOT_READ[kind].some((one) => one.test(path)),
    )
    const places = objects.map(([path]) => place(kind, `${path}.mispelt`, 1))
    for (const spec of [...places, { ...BASE[kind], mispelt: 1 }]) {
      expect(schemaFaults(kind, spec), JSON.stringify(spec)).not.toEqual([])
      expect(agentFaults(kind, spec), JSON.stringify(spec)).not.toEqual([])
    }
  })

  test('a default changes nothing for the agent', () => {
    for (const [path, schema] of fieldsOf(kind)) {
      if (schema.default === undefined) continue
      const read = (spec: Spec) => parseObject({ kind, namespace: '', name: 'default' }, objectOf(kind, spec))
      const steps = path.split('.').slice(1)
      const said = nest(steps, schema.default) as Spec
      // An object with nothing in it may say something, too: the API fills in the defaults of its fields.
      const bare = steps.length === 1 ? {} : (nest(steps.slice(0, -1), {}) as Spec)
      expect(read({ ...BASE[kind], ...said }), path).toEqual(read({ ...BASE[kind], ...bare }))
    }
  })

  test('every rule is one in CEL, and says what it wants', () => {
    const rules = walk(schemaOf(kind), kind).flatMap(([, schema]) => schema['x-kubernetes-validations'] ?? [])
    for (const { rule, message } of rules) {
      expect(whyNoRule(rule), rule).toBeUndefined()
      expect(message, rule).toMatch(/\w/)
    }
  })

  test('no rule costs more than an API server lets it, by its own estimate: where no list multiplies it', () => {
    // Octets of a text that has no bound, or may be a number: those of the largest request. A tenth for each, times a quarter of
    // the characters of the expression (cel-go, checker/cost.go); ten million for a rule, a hundred for a CRD (apiextensions).
    const LONGEST = 3 * 1024 * 1024
    const costs = walk(schemaOf(kind), '').flatMap(([path, schema]) => {
      if (path.includes('[]')) return []
      const isBounded = schema['x-kubernetes-int-or-string'] !== true && schema.maxLength !== undefined
      const most = (isBounded ? Number(schema.maxLength) : LONGEST) * 0.1
      const cost = (rule: string) =>
        [...rule.matchAll(/self\.matches\((['"])(.*?)\1\)/g)].reduce(
          (sum, [, , text = '']) => sum + most * text.length * 0.25,
          0,
        )
      return (schema['x-kubernetes-validations'] ?? []).map(({ rule }) => ({ path, rule, cost: cost(rule) }))
    })
    expect(costs.filter(({ cost }) => cost > 10e6 * 0.9)).toEqual([])
    expect(costs.reduce((sum, { cost }) => sum + cost, 0)).toBeLessThan(100e6 * 0.75)
  })

  test('every field has a description with what it is unless said, and an example', () => {
    const faulty = fieldsOf(kind).flatMap(([path, schema]) => {
      const text = schema.description ?? ''
      if (path.endsWith('[]')) return []
      // What is in an object has its own.
      const isObject = schema.type === 'object'
      const says = (isObject || /(?:^| )(?:Default: |Required\b)/.test(text)) && / Example: .+\.$/.test(text)
      return says || (isObject && /^(?:Adds|Puts|Sets|The route)/.test(text)) ? [] : [`${path}: ${text}`]
    })
    expect(faulty).toEqual([])
  })

  test('the example in a description is one that both take', () => {
    const wrong = fieldsOf(kind).flatMap(([path, schema]) => {
      if (path.endsWith('[]') || schema.type === 'object') return []
      const said = / Example: (.+)\.$/.exec(schema.description ?? '')?.[1] ?? ''
      const examples = said.split(/, or |, (?=[^}\]]*$)| or /).map((one) => parseYaml(one) as unknown)
      return examples.flatMap((example) => {
        const spec = place(kind, path, example)
        const found = [...schemaFaults(kind, spec), ...agentFaults(kind, spec)]
        // What must stand beside it is not of the example.
        return found
          .filter((fault) => !/ is missing$| must be given$/.test(fault))
          .map((fault) => `${path} ${said}: ${fault}`)
      })
    })
    expect(wrong).toEqual([])
  })

  test('what the API says of a wrong value is for people: patterns only where no rule can be', () => {
    const places = fieldsOf(kind).filter(([, { pattern, anyOf, not, ...schema }]) => {
      const isNumberOrText = schema['x-kubernetes-int-or-string'] === true
      return pattern !== undefined || not !== undefined || (anyOf !== undefined && !isNumberOrText)
    })
    expect(places.map(([path]) => path).filter((path) => !PATTERNS.some((one) => one.test(path)))).toEqual([])
    for (const [path, schema] of walk(schemaOf(kind), '')) {
      for (const { message } of schema['x-kubernetes-validations'] ?? [])
        expect(message, path).not.toMatch(/[\^$\\]|\]\*/)
    }
  })

  test('every column shows a field', () => {
    const known = new Set(fieldsOf(kind).map(([path]) => `.${path}`))
    const columns = CRDS.get(kind)?.spec.versions[0]?.additionalPrinterColumns ?? []
    for (const { jsonPath } of columns) if (jsonPath.startsWith('.spec')) expect(known).toContain(jsonPath)
    const accepted = columns.find(({ name }) => name === 'Accepted')
    expect(accepted?.jsonPath).toBe(".status.conditions[?(@.type=='Accepted')].status")
    expect(CRDS.get(kind)?.spec.versions[0]?.subresources).toEqual({ status: {} })
    expect(columns.at(-1)).toMatchObject({ name: 'Age', jsonPath: '.metadata.creationTimestamp' })
  })

  // An API server refuses the whole CRD otherwise: seen with Kubernetes 1.36.
  test('the schema says of metadata that it is an object, and nothing more', () => {
    expect(schemaOf(kind).properties?.metadata).toEqual({ type: 'object' })
  })

  test('the schema is structural: a type everywhere, and nothing of it inside anyOf and not', () => {
    for (const [path, schema] of walk(schemaOf(kind), '')) {
      const typed = schema.type !== undefined || schema['x-kubernetes-int-or-string'] === true
      expect(typed, path).toBe(true)
      if (schema.type === 'array') expect(schema.items, path).toBeDefined()
      const inner = [...(schema.anyOf ?? []), ...(schema.not === undefined ? [] : [schema.not])]
      for (const one of inner) {
        const allowed = schema['x-kubernetes-int-or-string'] === true ? ['type'] : ['pattern', 'format', 'maxLength']
        expect(
          Object.keys(one).filter((key) => !allowed.includes(key)),
          path,
        ).toEqual([])
      }
      if (schema.default !== undefined) expect(faults(schema, schema.default), path).toEqual([])
    }
  })
})

/** Fields that do not go together. */
const RULE = { action: 'Accept' }
test.each<[string, OurKind, Spec]>([
  ['a peer of one node and of some', 'BGPPeer', { ...BASE.BGPPeer, node: 'a', nodeSelector: 'all()' }],
  ['a peer that is nobody', 'BGPPeer', { asNumber: 65000 }],
  ['a peer with an empty address', 'BGPPeer', { peerIP: '', peerSelector: '' }],
  ['a peer that is two', 'BGPPeer', { peerIP: '10.0.0.1', peerSelector: 'all()' }],
  ['a peer that is one and many', 'BGPPeer', { ...BASE.BGPPeer, peerRange: '10.0.0.0/24' }],
  ['a link-local neighbor on no interface', 'BGPPeer', { ...BASE.BGPPeer, peerIP: 'fe80::1' }],
  ['a neighbor on two interfaces', 'BGPPeer', { ...BASE.BGPPeer, peerIP: 'fe80::1%eth0', interface: 'eth1' }],
  ['an interface of an address that has none', 'BGPPeer', { ...BASE.BGPPeer, interface: 'eth0' }],
  ['nodes on an interface', 'BGPPeer', { peerSelector: 'all()', interface: 'eth0' }],
  ['an interface of any AS', 'BGPPeer', { interface: 'eth0' }],
  ['a range of any AS', 'BGPPeer', { peerRange: '10.0.0.0/24' }],
  ['a limit for no range', 'BGPPeer', { ...BASE.BGPPeer, peerRangeLimit: 4 }],
  ['an AS that is known and not', 'BGPPeer', { ...BASE.BGPPeer, remoteAS: 'external' }],
  ['an AS for nodes, by relation', 'BGPPeer', { peerSelector: 'all()', remoteAS: 'internal' }],
  ['a strict role that is none', 'BGPPeer', { ...BASE.BGPPeer, strictRole: true }],
  ['an AS for nodes that have theirs', 'BGPPeer', { peerSelector: 'all()', asNumber: 65000 }],
  ['a link-local next hop', 'BGPAdvertisement', { ...BASE.BGPAdvertisement, nextHop: { ipv6: 'fe80::1' } }],
  ['a next hop on an interface', 'BGPAdvertisement', { ...BASE.BGPAdvertisement, nextHop: { ipv6: 'fd00::1%eth0' } }],
  ...[
    [1, 253],
    [3, 252],
  ].map(([ttlSecurity, minimumTTL]): [string, OurKind, Spec] => [
    `BFD from further away than BGP, ${ttlSecurity} and ${minimumTTL}`,
    'BGPPeer',
    { ...BASE.BGPPeer, ttlSecurity, bfd: { minimumTTL } },
  ]),
  ['both ways to keep a next hop', 'BGPPeer', { ...BASE.BGPPeer, keepOriginalNextHop: true, nextHopMode: 'Self' }],
  [
    'a peer by its range and by labels',
    'BGPPeer',
    { peerRange: '10.0.0.0/24', peerSelector: 'all()', remoteAS: 'internal' },
  ],
  ...[
    'x',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.1:0',
    '[1:2]:179',
    '[:::]',
    '1::2::3',
    'fe80:::1%eth0',
    '10.0.0.1%eth0',
    'router',
  ].map((peerIP): [string, OurKind, Spec] => [`a neighbor at ${peerIP}`, 'BGPPeer', { ...BASE.BGPPeer, peerIP }]),
  ...['0.0.0.0', '255.255.255.255:179', '224.0.0.5', '::', '[ff02::5]:179', '::ffff:10.0.0.1'].map(
    (peerIP): [string, OurKind, Spec] => [
      `a neighbor at ${peerIP}, where no host is`,
      'BGPPeer',
      { ...BASE.BGPPeer, peerIP },
    ],
  ),
  ...[
    'rack ==',
    'rack = "a"',
    'has(rack) &&',
    'rack in ("a")',
    'rack in {a}',
    '&& all()',
    'rack == a',
    'has()',
    'some()',
  ].map((nodeSelector): [string, OurKind, Spec] => [
    `the selector ${nodeSelector}`,
    'BGPPeer',
    { ...BASE.BGPPeer, nodeSelector },
  ]),
  ...[
    '169.254.7.0/24',
    'fe80::/64',
    '127.0.0.0/8',
    '::1/128',
    '224.0.0.0/8',
    'ff05::/16',
    '::ffff:10.244.0.0/112',
    '10.244.0.0',
    '10.244.0.0/33',
  ].map((cidr): [string, OurKind, Spec] => [`a pool of ${cidr}`, 'IPPool', { cidr }]),
  ...['x', '10.0.0.1/32', '0.0.0.0', '239.0.0.1', ''].map((address): [string, OurKind, Spec] => [
    `packets that leave with "${address}"`,
    'IPPool',
    { ...BASE.IPPool, nat: { address } },
  ]),
  ...['x', '10.0.0.0/33', '10.0.0.256', 'fe80::1%eth0'].map((cidr): [string, OurKind, Spec] => [
    `the exclusion ${cidr}`,
    'IPPool',
    { ...BASE.IPPool, nat: { excludeCIDRs: [cidr] } },
  ]),
  ...['5', '0:5', '9:1', '1-65536', 'a:b'].map((portRange): [string, OurKind, Spec] => [
    `the ports ${portRange}`,
    'IPPool',
    { ...BASE.IPPool, nat: { portRange } },
  ]),
  [
    'a pool of services that is told to nobody',
    'IPPool',
    { ...BASE.IPPool, allowedUses: ['LoadBalancer'], disableBGPExport: true },
  ],
  ['too many exclusions', 'IPPool', { ...BASE.IPPool, nat: { excludeCIDRs: new Array(501).fill('10.0.0.0/8') } }],
  ['an AS number that is a fraction', 'BGPConfiguration', { asNumber: 1.5 }],
  ['a service range that is an address', 'BGPConfiguration', { serviceExternalIPs: [{ cidr: '192.0.2.1' }] }],
  ['a community that is a name', 'BGPConfiguration', { communities: [{ name: 'a', value: 'no-export' }] }],
  ['a hold time of 2', 'BGPPeer', { ...BASE.BGPPeer, holdTime: '2s' }],
  ['a CIDR without an operator', 'BGPFilter', { importV4: [{ ...RULE, cidr: '10.0.0.0/8' }] }],
  ['an operator without a CIDR', 'BGPFilter', { importV4: [{ ...RULE, matchOperator: 'In' }] }],
  ['lengths without a CIDR', 'BGPFilter', { importV4: [{ ...RULE, prefixLength: { min: 8 } }] }],
  [
    'lengths of one prefix',
    'BGPFilter',
    { importV4: [{ ...RULE, cidr: '10.0.0.0/8', matchOperator: 'Equal', prefixLength: { max: 9 } }] },
  ],
  [
    'lengths the wrong way round',
    'BGPFilter',
    { importV4: [{ ...RULE, cidr: '10.0.0.0/8', matchOperator: 'In', prefixLength: { min: 24, max: 16 } }] },
  ],
  [
    'operations on what is refused',
    'BGPFilter',
    { importV4: [{ action: 'Reject', operations: [{ setPriority: { value: 1 } }] }] },
  ],
  [
    'an operation that is two',
    'BGPFilter',
    { importV4: [{ ...RULE, operations: [{ setPriority: { value: 1 }, addCommunity: { value: '1:1' } }] }] },
  ],
  [
    'eleven operations',
    'BGPFilter',
    { importV4: [{ ...RULE, operations: new Array(11).fill({ setPriority: { value: 1 } }) }] },
  ],
  [
    'eleven numbers before a path',
    'BGPFilter',
    { importV4: [{ ...RULE, operations: [{ prependASPath: { prefix: new Array(11).fill(1) } }] }] },
  ],
  ['two communities to match', 'BGPFilter', { importV4: [{ ...RULE, communities: { values: ['1:1', '1:2'] } }] }],
  [
    'too many names',
    'BGPConfiguration',
    { communities: Array.from({ length: 501 }, (_, index) => ({ name: `c${index}`, value: '1:1' })) },
  ],
  [
    'too many advertisements',
    'BGPConfiguration',
    { prefixAdvertisements: new Array(501).fill({ cidr: '10.0.0.0/8' }) },
  ],
  [
    'too many communities for one',
    'BGPConfiguration',
    { prefixAdvertisements: [{ cidr: '10.0.0.0/8', communities: new Array(51).fill('1:1') }] },
  ],
  ['a masquerade address of the other family', 'IPPool', { ...BASE.IPPool, nat: { address: 'fd00::1' } }],
])('both refuse %s', (_name, kind, spec) => {
  expect(schemaFaults(kind, spec)).not.toEqual([])
  expect(agentFaults(kind, spec)).not.toEqual([])
})

/** Where the API refuses what the agent would live with: it can say no in time, to the person who asks. */
test.each<[string, OurKind, Spec, string?]>([
  ['a configuration of another name', 'BGPConfiguration', {}, 'mine'],
  [
    'a password for a mesh there is not',
    'BGPConfiguration',
    { nodeToNodeMeshEnabled: false, nodeMeshPassword: { secretKeyRef: { key: 'k' } } },
  ],
  [
    'a key chain for a mesh there is not',
    'BGPConfiguration',
    { nodeToNodeMeshEnabled: false, nodeMeshKeyChain: [{ sendID: 1, secretKeyRef: { key: 'k' } }] },
  ],
  [
    'a key chain and a password',
    'BGPPeer',
    {
      ...BASE.BGPPeer,
      password: { secretKeyRef: { key: 'k' } },
      keyChain: [{ sendID: 1, secretKeyRef: { key: 'k' } }],
    },
  ],
  [
    'a send ID of two keys',
    'BGPPeer',
    { ...BASE.BGPPeer, keyChain: [1, 2].map((receiveID) => ({ sendID: 1, receiveID, secretKeyRef: { key: 'k' } })) },
  ],
  [
    'a receive ID of two keys',
    'BGPPeer',
    { ...BASE.BGPPeer, keyChain: [1, 2].map((sendID) => ({ sendID, receiveID: 3, secretKeyRef: { key: 'k' } })) },
  ],
  [
    'a restart time for a mesh there is not',
    'BGPConfiguration',
    { nodeToNodeMeshEnabled: false, nodeMeshMaxRestartTime: '2m' },
  ],
  [
    'a name for two communities',
    'BGPConfiguration',
    {
      communities: [
        { name: 'a', value: '1:1' },
        { name: 'a', value: '1:2' },
      ],
    },
  ],
  ['a way to a peer without an address', 'BGPPeer', { peerSelector: 'all()', reachableBy: '10.0.0.1' }],
  ['two overlays', 'IPPool', { ...BASE.IPPool, ipipMode: 'Always', vxlanMode: 'Always' }],
])('the API alone refuses %s', (_name, kind, spec, name) => {
  expect(faults(schemaOf(kind), objectOf(kind, spec, name))).not.toEqual([])
  expect(agentFaults(kind, spec)).toEqual([])
})

test('a configuration for one node has a name both know', () => {
  const object = objectOf('BGPConfiguration', { listenPort: 1790 }, 'node.worker-1')
  expect(faults(schemaOf('BGPConfiguration'), object)).toEqual([])
  const { problems } = parseObject({ kind: 'BGPConfiguration', namespace: '', name: 'node.worker-1' }, object)
  expect(problems).toEqual([])
})

describe('texts that a rule reads and the agent parses', () => {
  const verdicts = (kind: OurKind, spec: Spec) => [
    schemaFaults(kind, spec).length > 0,
    agentFaults(kind, spec).length > 0,
  ]

  test('addresses of IPv6, in every way to write them', () => {
    const group = fc.stringMatching(/^[0-9a-f]{0,5}$/)
    const text = fc.oneof(
      fc.array(group, { minLength: 1, maxLength: 9 }).map((groups) => groups.join(':')),
      fc
        .tuple(fc.array(group, { maxLength: 7 }), fc.array(group, { maxLength: 7 }))
        .map((sides) => sides.map((side) => side.join(':')).join('::')),
      fc
        .tuple(fc.array(group, { maxLength: 6 }), fc.constantFrom('::10.0.0.1', ':10.0.0.1', '::10.0.0.256'))
        .map(([side, tail]) => side.join(':') + tail),
      fc.ipV6(),
    )
    fc.assert(
      fc.property(text, (peerIP) => {
        const [schema, agent] = verdicts('BGPPeer', { peerIP: `[${peerIP}]:179`, asNumber: 1 })
        // A link-local one needs its interface, which the other rule asks for.
        expect(schema, peerIP).toBe(agent)
      }),
      { numRuns: 3000 },
    )
  })

  test('no selector that the agent reads is refused', () => {
    const value = fc.constantFrom('"a"', "'b'", '""', '"&& ("')
    const leaf = fc.oneof(
      fc.constantFrom('all()', 'global( )', 'has(a)', 'has( a.b/c )', '  '),
      fc
        .tuple(fc.constantFrom('==', '!=', ' contains', ' starts with ', ' ends  with'), value)
        .map(([sign, text]) => `rack${sign}${text}`),
      fc
        .tuple(fc.constantFrom(' in', ' not in '), fc.array(value))
        .map(([sign, values]) => `rack${sign}{${values.join(' ,')}}`),
    )
    const { selector } = fc.letrec<{ selector: string }>((tie) => ({
      selector: fc.oneof(
        { depthSize: 'small' },
        leaf,
        tie('selector').map((one) => `!${one}`),
        tie('selector').map((one) => `( ${one} )`),
        fc.tuple(tie('selector'), fc.constantFrom('&&', ' || '), tie('selector')).map((parts) => parts.join('')),
      ),
    }))
    fc.assert(
      fc.property(selector, (nodeSelector) => {
        fc.pre(nodeSelector.length <= 1024)
        const [schema, agent] = verdicts('BGPPeer', { ...BASE.BGPPeer, nodeSelector })
        if (agent === false) expect(schema, nodeSelector).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })
})

test('a status that Calico wrote is taken', () => {
  const object = {
    ...objectOf('IPPool', BASE.IPPool),
    status: { conditions: [{ type: 'Allocatable', status: 'True' }] },
  }
  expect(faults(schemaOf('IPPool'), object)).toEqual([])
  expect(parseObject({ kind: 'IPPool', namespace: '', name: 'one' }, object).problems).toEqual([])
})
