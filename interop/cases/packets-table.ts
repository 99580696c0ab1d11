// The service table, proven by packets: each row's addresses are asked from outside, and the pod that answers is one of those
// that the row names, or nobody answers. kube-proxy's rules stand on every node, in one mode after the other; the routers
// between are FRR.

import { PROXY_MODES, type ProxiedService, type ProxyMode } from '../lab/kube-proxy-table.ts'
import { FAMILIES, type Family } from '../lab/lab.ts'
import { endpointSlice, type KubeObject, service } from '../lab/manifests.ts'
import type { Pod } from '../lab/pod.ts'
import { eventually } from '../lab/wait.ts'
import { type Case, expect, Skip } from './case.ts'
import { DUAL, Fabric, needs } from './fabric.ts'
import { ADDRESS_KINDS, type AddressKind, NAMED_CLASS, SERVICE_ROWS, type ServiceRow } from './service-rows.ts'

type Place = NonNullable<ServiceRow['allowed']>

/** Networks of addresses, by kind, and by whether lists hold them. */
const NETWORKS: Readonly<Record<Place, Readonly<Record<AddressKind, readonly [string, string]>>>> = {
  range: { cluster: ['10.96.0.', 'fd96::'], external: ['192.0.2.', 'fd96:1::'], balancer: ['203.0.113.', 'fd96:2::'] },
  single: { cluster: ['10.97.0.', 'fd97::'], external: ['172.30.1.', 'fd97:1::'], balancer: ['172.30.2.', 'fd97:2::'] },
  none: { cluster: ['10.99.0.', 'fd99::'], external: ['172.31.1.', 'fd99:1::'], balancer: ['172.31.2.', 'fd99:2::'] },
}

interface Placed extends ServiceRow {
  readonly number: number
}
const ROWS: readonly Placed[] = SERVICE_ROWS.map((row, index) => ({ ...row, number: index + 1 }))

const addressOf = ({ number, allowed = 'range' }: Placed, kind: AddressKind, family: Family): string => {
  const [v4, v6] = NETWORKS[allowed][kind]
  return family === 'ipv4' ? `${v4}${number}` : `${v6}${number.toString(16)}`
}
const addressesOf = (row: Placed, kind: AddressKind): readonly string[] =>
  FAMILIES.map((family) => addressOf(row, kind, family))

const LISTS: Readonly<Record<AddressKind, string>> = {
  cluster: 'serviceClusterIPs',
  external: 'serviceExternalIPs',
  balancer: 'serviceLoadBalancerIPs',
}

/** Ranges for those that are in ranges, and each address of the others by itself. */
const configured = (): Readonly<Record<string, unknown>> => {
  const lists = ADDRESS_KINDS.map((kind) => {
    const [v4, v6] = NETWORKS.range[kind]
    const singles = ROWS.filter(({ allowed }) => allowed === 'single').flatMap((row) =>
      FAMILIES.map((family) => `${addressOf(row, kind, family)}/${family === 'ipv4' ? 32 : 128}`),
    )
    return [LISTS[kind], [`${v4}0/24`, `${v6}/64`, ...singles].map((cidr) => ({ cidr }))]
  })
  return { ...Object.fromEntries(lists), loadBalancerClasses: ['', NAMED_CLASS] }
}

const idOf = ({ number }: Placed): string => `row${number}`

const objectsOf = (row: Placed, pods: readonly Pod[]): readonly KubeObject[] => {
  const { type = 'LoadBalancer', external, internal, ipMode, headless, spec = {}, annotations } = row
  const whole = service({
    name: idOf(row),
    type: type === 'ExternalName' ? 'ClusterIP' : type,
    clusterIPs: headless ? ['None'] : addressesOf(row, 'cluster'),
    externalIPs: addressesOf(row, 'external'),
    ...(type === 'LoadBalancer' && { loadBalancerIPs: addressesOf(row, 'balancer') }),
    ...(ipMode && { ipMode }),
    ...(external && { externalTrafficPolicy: external }),
    ...(internal && { internalTrafficPolicy: internal }),
  }) as KubeObject & { readonly spec: object; readonly metadata: object }
  const made = {
    ...whole,
    metadata: { ...whole.metadata, ...(annotations && { annotations }) },
    spec: { ...whole.spec, ...(type === 'ExternalName' && { type, externalName: 'example.com' }), ...spec },
  }
  const slices = FAMILIES.map((family) =>
    endpointSlice(
      idOf(row),
      family === 'ipv4' ? 'IPv4' : 'IPv6',
      endpointsOf(row, family, pods).map(({ address, node, state }) => ({
        address,
        node,
        ready: state === 'ready',
        ...(state === 'draining' && { terminating: true }),
      })),
    ),
  )
  return [made as KubeObject, ...slices]
}

const endpointsOf = ({ endpoints = [] }: Placed, family: Family, pods: readonly Pod[]) =>
  endpoints.flatMap(({ at, state = 'ready', only = family }) => {
    const pod = pods[at - 1]
    return pod === undefined || only !== family ? [] : [{ address: pod[family], node: pod.node.name, state }]
  })

/** What kube-proxy makes of a row; nothing of a headless service, nor of a mere name. */
const proxied = (row: Placed, family: Family, pods: readonly Pod[]): readonly ProxiedService[] => {
  const { type = 'LoadBalancer', headless, ipMode, external, internal } = row
  if (headless || type === 'ExternalName') return []
  const balances = type === 'LoadBalancer' && ipMode !== 'Proxy'
  return [
    {
      id: `${row.number}`,
      family,
      clusterIp: addressOf(row, 'cluster', family),
      external: [addressOf(row, 'external', family), ...(balances ? [addressOf(row, 'balancer', family)] : [])],
      internalLocal: internal === 'Local',
      externalLocal: external === 'Local' && type !== 'ClusterIP',
      endpoints: endpointsOf(row, family, pods),
    },
  ]
}

const ASK = 'exec 3<>/dev/tcp/$0/80 && read -r -t 3 said <&3 && echo "$0 $said"'
/** Each address so often: several ways lead to what is on several nodes. */
const TIMES = 2

/** By address, who answered. */
async function askAll(
  { client }: Fabric,
  addresses: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const script = `xargs -P 24 -n 1 timeout 4 bash -c '${ASK}' 2>/dev/null || true`
  const input = addresses.flatMap((address) => Array.from({ length: TIMES }, () => address)).join('\n')
  const text = await client.must(['bash', '-c', script], { input: `${input}\n`, timeout: 180_000 })
  const answers = new Map<string, string[]>(addresses.map((address) => [address, []]))
  for (const line of text.split('\n')) {
    const [address = '', , server = ''] = line.split(' ')
    answers.get(address)?.push(server)
  }
  return answers
}

interface Question {
  readonly row: Placed
  readonly kind: AddressKind
  readonly family: Family
  readonly address: string
  readonly wanted: readonly string[]
}

const questionsOf = (pods: readonly Pod[]): readonly Question[] =>
  ROWS.flatMap((row) =>
    ADDRESS_KINDS.flatMap((kind) =>
      FAMILIES.map((family) => {
        const reached = row.reaches[kind]
        const numbers = 'ipv4' in reached ? reached[family] : reached
        const wanted = numbers.map((number) => pods[number - 1]?.[family] ?? '')
        return { row, kind, family, address: addressOf(row, kind, family), wanted }
      }),
    ),
  )

/** One line for each question that had another answer. */
async function wrongAnswers(fabric: Fabric, questions: readonly Question[]): Promise<readonly string[]> {
  const answers = await askAll(
    fabric,
    questions.map(({ address }) => address),
  )
  return questions.flatMap(({ row, kind, address, wanted }) => {
    const given = answers.get(address) ?? []
    const isRight =
      wanted.length === 0 ? given.length === 0 : given.length === TIMES && given.every((one) => wanted.includes(one))
    const said = given.length === 0 ? 'nobody' : given.join(' and ')
    return isRight
      ? []
      : [`${row.name}: ${kind} ${address} is answered by ${said}, not by ${wanted.join(' or ') || 'nobody'}`]
  })
}

/** What is wrong is asked again until routes and rules have settled; what is right need not be. */
async function prove(fabric: Fabric, pods: readonly Pod[]): Promise<void> {
  let left = questionsOf(pods)
  await eventually(
    async () => {
      const wrong = await wrongAnswers(fabric, left)
      left = left.filter(({ address }) => wrong.some((line) => line.includes(` ${address} `)))
      expect(wrong.length === 0, `${wrong.length} wrong: ${wrong.slice(0, 8).join('; ')}`)
    },
    { within: 120_000, every: 1_000 },
  )
  // Once more as a whole: nobody may have come by an answer late.
  const wrong = await wrongAnswers(
    fabric,
    questionsOf(pods).filter(({ wanted }) => wanted.length === 0),
  )
  expect(wrong.length === 0, wrong.slice(0, 8).join('; '))
}

const caseOf = (mode: ProxyMode): Case => ({
  name: `packets: ${SERVICE_ROWS.length} rows of the service table by packets, kube-proxy in ${mode.name} mode`,
  speakers: 'once',
  limit: 600_000,
  async run(bench) {
    await needs(bench, 'xargs')
    const why = await mode.whyNot()
    if (why !== undefined) throw new Skip(why)
    const fabric = await Fabric.build(bench, { ...DUAL, configuration: configured() })
    const pods = [await fabric.answeringPod(1), await fabric.answeringPod(2), await fabric.answeringPod(3)]
    await fabric.manifests.put(...ROWS.flatMap((row) => objectsOf(row, pods)))
    const services = FAMILIES.flatMap((family) => ROWS.flatMap((row) => proxied(row, family, pods)))
    for (const { host } of fabric.nodes) await mode.serve(host, services)
    await prove(fabric, pods)
  },
})

export const cases: readonly Case[] = PROXY_MODES.map(caseOf)
