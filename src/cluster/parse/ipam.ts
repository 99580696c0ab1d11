/**
 * Parses the objects of Calico's IPAM: the node that each block of addresses belongs to (`BlockAffinity`), and the addresses of
 * a block that pods of other nodes have (`IPAMBlock`). The names of these objects may be shortened, so they are not used.
 */
import { ADDRESS_BITS } from '../../base/family.ts'
import { makePrefix, type Prefix } from '../../base/prefix.ts'
import type { AffinityObject, BlockObject } from '../objects.ts'
import type { Findings } from '../problem.ts'
import type { ObjectRef } from '../source.ts'
import { Fields, isRecord } from './fields.ts'

/** Text in one of Calico's API groups, a boolean in the other. An object that is being deleted does not count. */
const isDeleted = (spec: Fields): boolean => spec.raw('deleted') === true || spec.raw('deleted') === 'true'

/** Old objects have no state. A pending affinity may still go to another node. */
const HELD_STATES: readonly unknown[] = [undefined, '', 'confirmed']
/** Old objects have no type. `virtual` is for addresses of services. */
const NODE_TYPES: readonly unknown[] = [undefined, '', 'host']

export function parseAffinity(
  object: Record<string, unknown>,
  _ref: ObjectRef,
  findings: Findings,
): AffinityObject | undefined {
  const spec = new Fields(findings, '', object).record('spec')
  if (spec === undefined) return findings.missing('spec')
  const prefix = spec.prefix('cidr')
  const node = spec.text('node') || undefined
  if (prefix === undefined) return spec.has('cidr') ? undefined : findings.missing('spec.cidr')
  const why = whyNotHeld(spec)
  if (why !== undefined) return { prefix, node: undefined, why: `${why}; it is for ${node ?? 'no node'}` }
  return node === undefined ? { prefix, node, why: 'it names no node' } : { prefix, node }
}

/** Why no node has the block. */
function whyNotHeld(spec: Fields): string | undefined {
  const [state, type] = [spec.raw('state'), spec.raw('type')]
  if (isDeleted(spec)) return 'it is being deleted'
  if (!HELD_STATES.includes(state)) return `its state is ${JSON.stringify(state)}, not confirmed`
  return NODE_TYPES.includes(type) ? undefined : `its type is ${JSON.stringify(type)}, not host`
}

const HOST = 'host:'

export function parseBlock(
  object: Record<string, unknown>,
  _ref: ObjectRef,
  findings: Findings,
): BlockObject | undefined {
  const spec = new Fields(findings, '', object).record('spec')
  if (spec === undefined) return findings.missing('spec')
  const prefix = spec.prefix('cidr')
  if (prefix === undefined) return spec.has('cidr') ? undefined : findings.missing('spec.cidr')
  const affinity = spec.text('affinity') ?? ''
  const owner = affinity.startsWith(HOST) ? affinity.slice(HOST.length) : undefined
  return { borrowed: isDeleted(spec) ? new Map() : borrowedIn(spec, prefix, owner) }
}

/** Addresses: Calico's largest blocks are a /20 and a /116. */
const LARGEST_BLOCK = 4_096

/** Addresses of pods on nodes other than the owner of the block, by node. */
function borrowedIn(spec: Fields, block: Prefix, owner: string | undefined): Map<string, Prefix[]> {
  const nodes = spec.list('attributes', (item) => podNode(item) ?? '', LARGEST_BLOCK)
  const borrowed = new Map<string, Prefix[]>()
  const allocations = spec.list('allocations', (item) => (typeof item === 'number' ? item : -1), LARGEST_BLOCK)
  for (const [ordinal, index] of allocations.entries()) {
    const node = nodes[index]
    if (node === undefined || node === '' || node === owner) continue
    const addresses = borrowed.get(node) ?? []
    borrowed.set(node, addresses)
    addresses.push(addressAt(block, ordinal))
  }
  return borrowed
}

/** The node of the pod that has the address; undefined for a released address and for that of a tunnel. */
function podNode(attributes: unknown): string | undefined {
  if (!isRecord(attributes) || !isRecord(attributes.secondary)) return undefined
  const { node, pod } = attributes.secondary
  const isReleased = attributes.releasedAt !== undefined && attributes.releasedAt !== null
  return typeof node === 'string' && typeof pod === 'string' && !isReleased ? node : undefined
}

function addressAt({ bytes, family }: Prefix, ordinal: number): Prefix {
  const address = bytes.slice()
  let carry = ordinal
  for (let index = address.length - 1; carry > 0 && index >= 0; index--) {
    carry += address[index] ?? 0
    address[index] = carry & 0xff
    carry >>>= 8
  }
  return makePrefix(address, ADDRESS_BITS[family])
}
