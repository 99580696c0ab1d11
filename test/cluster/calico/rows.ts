/** The inputs of Calico's own golden tests, and the cluster around them. */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { ApiObject } from '../../support/objects.ts'

export interface GoldenPeer {
  readonly address: string
  readonly as: number
  readonly port?: number
  readonly localAs?: number
  readonly source?: string
  readonly passive?: boolean
  readonly client?: boolean
  readonly clusterId?: string
  readonly nextHop?: 'keep' | 'self'
  readonly ttlSecurity?: number
  readonly restartTime?: number
  readonly allowedOwnAs?: number
  /** Whether routes leave as to a neighbor of the same AS. */
  readonly internal: boolean
  readonly filters?: readonly string[]
}

export interface Row {
  readonly objects: readonly ApiObject[]
  /** Whether Calico's blocks of its tests are there. */
  readonly blocks: boolean
  readonly routerId: string
  readonly asNumber: number | null
  readonly peers: Readonly<Record<string, GoldenPeer>>
  readonly exports?: { readonly accept: readonly string[]; readonly reject: readonly string[] }
  readonly routes?: readonly string[]
  readonly communities?: Readonly<Record<string, readonly string[]>>
}

export const ROWS = parse(readFileSync(new URL('rows.yaml', import.meta.url), 'utf8')) as Readonly<Record<string, Row>>
export const NODE = 'kube-master'

export const keyOf = ({ kind, metadata }: ApiObject): string => `${kind}/${metadata.namespace ?? ''}/${metadata.name}`

/** A second step applies its objects over those of the first. */
export function objectsOf(name: string): readonly ApiObject[] {
  const before = name.endsWith('/step2') ? (ROWS[name.slice(0, -'/step2'.length)]?.objects ?? []) : []
  return [...new Map([...before, ...(ROWS[name]?.objects ?? [])].map((object) => [keyOf(object), object])).values()]
}

/** Confirmed where it says nothing else. */
export const block = (cidr: string, state?: string): ApiObject => ({
  apiVersion: 'crd.projectcalico.org/v1',
  kind: 'BlockAffinity',
  metadata: { name: `${NODE}-${cidr.replaceAll(/[.:/]/g, '-')}` },
  spec: { node: NODE, cidr, ...(state && { state }) },
})
export const CONFIRMED = ['10.0.0.0/30', '10.1.0.0/24', '10.2.0.1/32', '192.168.221.192/26', '192.168.221.64/26']
export const BLOCKS = [...CONFIRMED.map((cidr) => block(cidr)), block('192.168.221.0/26', 'pending')]
