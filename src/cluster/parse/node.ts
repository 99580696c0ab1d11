/** Parses a `v1/Node`, with the annotations that hold Calico's fields of a node. */
import {
  type Address,
  addressBytes,
  familyOfAddress,
  isLinkLocal,
  parseAddress,
  whyNotOfHost,
} from '../../base/address.ts'
import { readU32 } from '../../base/bytes.ts'
import { FAMILIES, FAMILY_WORDS, type Family } from '../../base/family.ts'
import { parsePrefix } from '../../base/prefix.ts'
import type { NodeObject } from '../objects.ts'
import type { Findings } from '../problem.ts'
import type { Labels } from '../selector.ts'
import type { ObjectRef } from '../source.ts'
import { Fields, isRecord, parseAsn } from './fields.ts'
import { parsePeerIp } from './peer-ip.ts'

/** Tried in this order. */
const AS_ANNOTATIONS = ['godwit.dev/asNumber', 'projectcalico.org/ASNumber'] as const
const ADDRESS_ANNOTATIONS = { ipv4: 'projectcalico.org/IPv4Address', ipv6: 'projectcalico.org/IPv6Address' } as const
const CLUSTER_ID_ANNOTATIONS = [
  'godwit.dev/routeReflectorClusterID',
  'projectcalico.org/RouteReflectorClusterID',
] as const

export function parseNode(
  object: Record<string, unknown>,
  { name }: ObjectRef,
  findings: Findings,
): NodeObject | undefined {
  const root = new Fields(findings, '', object)
  const metadata = root.record('metadata')
  const annotations = metadata?.textMap('annotations') ?? new Map<string, string>()
  const listed = parseStatusAddresses(root.record('status'))
  const annotated = parseAddressAnnotations(annotations, findings)
  const addresses = { ...firstOf(listed), ...annotated }
  const node = {
    name,
    labels: { ...calicoLabels(annotations, findings), ...Object.fromEntries(metadata?.textMap('labels') ?? []) },
    annotations: valuesIn(annotations),
    podCidrs: parsePodCidrs(root.record('spec')),
    taints: parseTaints(root.record('spec')),
    addresses,
    annotated: FAMILIES.filter((family) => annotated[family] !== undefined),
    hosts: [...new Set([...Object.values(addresses), ...listed.map(({ address }) => address)])].slice(0, MOST_HOSTS),
    asNumber: parseAsAnnotation(annotations, findings),
    clusterId: parseClusterId(annotations, findings),
    held: undefined,
  }
  const [faulty] = findings.faulty
  return faulty === undefined ? node : { ...node, held: `${faulty} of Node/${name} is wrong` }
}

/** What `calicoctl label nodes` sets; a label of Kubernetes comes before it. */
const CALICO_LABELS = 'projectcalico.org/labels'

function calicoLabels(annotations: ReadonlyMap<string, string>, findings: Findings): Labels {
  const text = annotations.get(CALICO_LABELS)
  if (text === undefined || text === '') return {}
  const found = textsIn(text)
  if (found === undefined)
    findings.say('labels-unreadable', annotationPath(CALICO_LABELS), 'is not JSON with texts; its labels are ignored')
  return found ?? {}
}

function textsIn(json: string): Labels | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return isRecord(value) && Object.values(value).every((one) => typeof one === 'string')
      ? (value as Labels)
      : undefined
  } catch {
    return undefined
  }
}

function parseTaints(spec: Fields | undefined): string[] {
  const keys: string[] = []
  spec?.records('taints', (taint) => {
    const key = taint.text('key')
    if (key !== undefined) keys.push(key)
  })
  return keys
}

/** Keeps the annotations that can be values for a BGPPeer. Others are dropped: some change with every heartbeat. */
const valuesIn = (annotations: ReadonlyMap<string, string>): Record<string, string> =>
  Object.fromEntries([...annotations].filter(([, text]) => isPeerValue(text)))

/** Whether a BGPPeer may read it: an AS number or an address. */
export const isPeerValue = (text: unknown): boolean =>
  typeof text === 'string' && (parseAsn(text) !== undefined || parsePeerIp(text) !== undefined)

export const annotationPath = (name: string): string => `metadata.annotations[${name}]`

/** Kubernetes gives a node one of each family. */
const MOST_POD_CIDRS = 64

function parsePodCidrs(spec: Fields | undefined): NodeObject['podCidrs'] {
  const texts = spec?.texts('podCIDRs', MOST_POD_CIDRS) ?? []
  const first = spec?.text('podCIDR')
  if (texts.length === 0 && first !== undefined && first !== '') texts.push(first)
  return texts.flatMap((text, index) => {
    return parsePrefix(text) ?? spec?.findings.wrong(`spec.podCIDRs[${index}]`, text, 'is not a CIDR') ?? []
  })
}

/** As in Kubernetes: the first InternalIP of each family is used, else the first ExternalIP. */
const ADDRESS_TYPES = ['InternalIP', 'ExternalIP'] as const

/** The most addresses of one node that are kept; those that sessions use come first. */
const MOST_HOSTS = 64

interface Listed {
  readonly type: (typeof ADDRESS_TYPES)[number]
  readonly address: Address
}

/** Other types are skipped: kubelets list host names too. */
function parseStatusAddresses(status: Fields | undefined): Listed[] {
  const listed = status?.records('addresses', (fields) => {
    const type = ADDRESS_TYPES.find((one) => one === fields.raw('type'))
    const address = type === undefined ? undefined : fields.address('address')
    return type === undefined || address === undefined ? undefined : { type, address }
  })
  return (listed ?? []).filter(({ address }) => !isLinkLocal(address) && whyNotOfHost(address) === undefined)
}

function firstOf(listed: readonly Listed[]): Partial<Record<Family, Address>> {
  const found: Partial<Record<Family, Address>> = {}
  for (const type of ADDRESS_TYPES) {
    for (const one of listed) if (one.type === type) found[familyOfAddress(one.address)] ??= one.address
  }
  return found
}

/** Calico writes `10.0.0.1/24`: the address with the prefix length of its subnet, which is not used. */
function parseAddressAnnotations(
  annotations: ReadonlyMap<string, string>,
  findings: Findings,
): Partial<Record<Family, Address>> {
  const found: Partial<Record<Family, Address>> = {}
  for (const family of ['ipv4', 'ipv6'] as const) {
    const text = annotations.get(ADDRESS_ANNOTATIONS[family])
    if (text === undefined || text === '') continue
    const address = parseAddress(text.split('/', 1)[0] ?? '')
    const isOfFamily = address !== undefined && familyOfAddress(address) === family
    const why = isOfFamily ? whyNotOfHost(address) : `is not an ${FAMILY_WORDS[family]} address`
    if (why !== undefined) findings.wrong(annotationPath(ADDRESS_ANNOTATIONS[family]), text, why)
    else if (address !== undefined) found[family] = address
  }
  return found
}

function parseAsAnnotation(annotations: ReadonlyMap<string, string>, findings: Findings): NodeObject['asNumber'] {
  for (const name of AS_ANNOTATIONS) {
    const text = annotations.get(name)
    if (text !== undefined && text !== '')
      return parseAsn(text) ?? findings.wrong(annotationPath(name), text, 'is not an AS number')
  }
  return undefined
}

/** RFC 4456 §8: four octets, written as an IPv4 address. */
function parseClusterId(annotations: ReadonlyMap<string, string>, findings: Findings): NodeObject['clusterId'] {
  for (const name of CLUSTER_ID_ANNOTATIONS) {
    const text = annotations.get(name)
    if (text === undefined || text === '') continue
    const address = parseAddress(text)
    const id = address !== undefined && familyOfAddress(address) === 'ipv4' ? readU32(addressBytes(address), 0) : 0
    return id === 0 ? findings.wrong(annotationPath(name), text, 'is not a cluster ID, such as 244.0.0.1') : id
  }
  return undefined
}
