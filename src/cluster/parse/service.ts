/** `v1/Service`, `discovery.k8s.io/v1/EndpointSlice` and `v1/Secret`: only what routes depend on is kept. */
import { hostPrefix, type Prefix } from '../../base/prefix.ts'
import { type EndpointSliceObject, objectKey, type SecretObject, type ServiceObject } from '../objects.ts'
import type { Findings } from '../problem.ts'
import type { ObjectRef } from '../source.ts'
import { Fields, isRecord } from './fields.ts'

const SERVICE_LABEL = 'kubernetes.io/service-name'
const HEADLESS = 'None'
/** Says by label or annotation whether a service is advertised; the annotation comes first. */
const ADVERTISE = 'godwit.dev/advertise'

export function parseService(
  object: Record<string, unknown>,
  { namespace, name }: ObjectRef,
  findings: Findings,
): ServiceObject | undefined {
  const root = new Fields(findings, '', object)
  const spec = root.record('spec') ?? new Fields(findings, 'spec', {})
  const ingress = root.record('status')?.record('loadBalancer')?.records('ingress', parseIngress, MOST_ADDRESSES) ?? []
  return {
    namespace,
    name,
    type: spec.text('type') ?? 'ClusterIP',
    clusterIps: parseClusterIps(spec),
    externalIps: addresses(spec, 'externalIPs'),
    loadBalancerIps: unique(ingress.map(({ prefix }) => prefix)),
    proxiedIps: proxiedOf(ingress),
    internalLocal: isLocal(spec, 'internalTrafficPolicy'),
    externalLocal: isLocal(spec, 'externalTrafficPolicy'),
    loadBalancerClass: spec.text('loadBalancerClass') ?? '',
    labels: root.labels(),
    advertise: parseAdvertise(root.record('metadata')),
  }
}

function parseAdvertise(metadata: Fields | undefined): boolean | undefined {
  if (metadata === undefined) return undefined
  for (const name of ['annotations', 'labels'] as const) {
    const text = metadata.textMap(name).get(ADVERTISE)
    if (text === 'true' || text === 'false') return text === 'true'
    if (text !== undefined) metadata.findings.wrong(`metadata.${name}[${ADVERTISE}]`, text, 'is neither true nor false')
  }
  return undefined
}

/** Undefined where an entry has a host name instead of an address. An absent `ipMode` is VIP. */
function parseIngress(entry: Fields): { readonly prefix: Prefix; readonly isProxied: boolean } | undefined {
  const prefix = address(entry, 'ip')
  return prefix && { prefix, isProxied: entry.oneOf('ipMode', ['VIP', 'Proxy']) === 'Proxy' }
}

/** The addresses that kube-proxy does not accept packets to: those that no entry calls a VIP. */
function proxiedOf(ingress: readonly { readonly prefix: Prefix; readonly isProxied: boolean }[]): Prefix[] {
  const vips = new Set(ingress.filter(({ isProxied }) => !isProxied).map(({ prefix }) => prefix.text))
  return unique(ingress.map(({ prefix }) => prefix)).filter(({ text }) => !vips.has(text))
}

const isLocal = (spec: Fields, name: string): boolean =>
  spec.raw(name) !== '' && spec.oneOf(name, ['Cluster', 'Local']) === 'Local'

/** `clusterIPs`, or `clusterIP` where an old API server knows only that one. */
function parseClusterIps(spec: Fields): Prefix[] {
  const single = spec.text('clusterIP')
  if (single === HEADLESS || spec.texts('clusterIPs', MOST_ADDRESSES).includes(HEADLESS)) return []
  const several = addresses(spec, 'clusterIPs')
  if (several.length > 0 || single === undefined || single === '') return several
  return [address(spec, 'clusterIP')].filter((prefix) => prefix !== undefined)
}

/** Whoever may write Services chooses how many a Service has, and each may be a route. */
const MOST_ADDRESSES = 256

function addresses(fields: Fields, name: string): Prefix[] {
  return unique(
    fields.list(
      name,
      (item, at) => {
        if (item === '') return undefined
        const prefix = typeof item === 'string' ? hostPrefix(item) : undefined
        return prefix ?? fields.findings.wrong(at, item, 'is not an IP address')
      },
      MOST_ADDRESSES,
    ),
  )
}

function address(fields: Fields, name: string): Prefix | undefined {
  const text = fields.text(name)
  if (text === undefined || text === '') return undefined
  return hostPrefix(text) ?? fields.findings.wrong(fields.at(name), text, 'is not an IP address')
}

function unique(prefixes: readonly Prefix[]): Prefix[] {
  return [...new Map(prefixes.map((prefix) => [prefix.text, prefix])).values()]
}

const FAMILY_OF_TYPE = new Map([
  ['IPv4', 'ipv4'],
  ['IPv6', 'ipv6'],
] as const)

export function parseEndpointSlice(
  object: Record<string, unknown>,
  { namespace }: ObjectRef,
  findings: Findings,
): EndpointSliceObject | undefined {
  const root = new Fields(findings, '', object)
  const service = root.record('metadata')?.textMap('labels').get(SERVICE_LABEL)
  const addressType = root.oneOf('addressType', ['IPv4', 'IPv6', 'FQDN'])
  // Names as keys: the runtime holds a key once, whichever of a hundred thousand endpoints names the Node.
  const nodes = { ready: Object.create(null), draining: Object.create(null) } satisfies Record<string, object>
  root.records('endpoints', (endpoint) => {
    const state = endpointState(endpoint.record('conditions'))
    if (state !== undefined) nodes[state][endpoint.text('nodeName') ?? ''] = true
  })
  return {
    service: service === undefined || service === '' ? undefined : objectKey({ namespace, name: service }),
    family: addressType === undefined || addressType === 'FQDN' ? undefined : FAMILY_OF_TYPE.get(addressType),
    ready: Object.keys(nodes.ready).sort(),
    draining: Object.keys(nodes.draining).sort(),
  }
}

/** EndpointConditions: ready absent is true, serving absent is as ready, terminating absent is false. */
function endpointState(conditions: Fields | undefined): 'ready' | 'draining' | undefined {
  const ready = conditions?.flag('ready') ?? true
  const serving = conditions?.flag('serving') ?? ready
  const terminating = conditions?.flag('terminating') ?? false
  if (ready) return 'ready'
  return serving && terminating ? 'draining' : undefined
}

/** As the edge reports it (`edge/keys`): the values stay there, and nothing of them is read or kept here. */
export function parseSecret(object: Record<string, unknown>): SecretObject {
  const keys: Record<string, { version: number; error: string | undefined }> = Object.create(null)
  for (const [name, key] of Object.entries(isRecord(object.keys) ? object.keys : {})) {
    const { version, error } = isRecord(key) ? key : {}
    if (typeof version === 'number') keys[name] = { version, error: typeof error === 'string' ? error : undefined }
  }
  return { type: typeof object.type === 'string' ? object.type : 'Opaque', keys }
}
