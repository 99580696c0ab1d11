/**
 * Checks an object as the API serves it. In: `unknown`. Out: a typed value, or problems that name object, field and value.
 * References to other objects are not checked here.
 */

import { finish, type Work } from '../../base/work.ts'
import type { Problem } from '../intent.ts'
import { objectName, type ParsedObjects } from '../objects.ts'
import { Findings } from '../problem.ts'
import type { Kind, ObjectRef } from '../source.ts'
import { parseAdvertisement } from './advertisement.ts'
import { asCalicoReads } from './calico.ts'
import { parseConfiguration } from './configuration.ts'
import { parseFelix } from './felix.ts'
import { isRecord } from './fields.ts'
import { parseFilter } from './filter.ts'
import { parseAffinity, parseBlock } from './ipam.ts'
import { parseNode } from './node.ts'
import { parsePeer } from './peer.ts'
import { parsePod } from './pod.ts'
import { parsePool } from './pool.ts'
import { parseEndpointSlice, parseSecret, parseService } from './service.ts'

export interface Parsed<K extends Kind> {
  /** Undefined if the object has errors, or means nothing here. */
  readonly value: ParsedObjects[K] | undefined
  /**
   * The valid part of an object with errors, with everything held that depends on the rest. Used if there is no good version.
   */
  readonly partial: ParsedObjects[K] | undefined
  /** Whether it has errors. */
  readonly refused: boolean
  readonly problems: readonly Problem[]
}

type Parser<Value> = (
  object: Record<string, unknown>,
  ref: ObjectRef,
  findings: Findings,
) => Value | Work<Value | undefined> | undefined

const PARSERS: { readonly [K in Kind]: Parser<ParsedObjects[K]> } = {
  Node: parseNode,
  Service: parseService,
  EndpointSlice: parseEndpointSlice,
  Pod: parsePod,
  Secret: parseSecret,
  BGPConfiguration: parseConfiguration,
  BGPPeer: parsePeer,
  BGPFilter: parseFilter,
  BGPAdvertisement: parseAdvertisement,
  IPPool: parsePool,
  FelixConfiguration: parseFelix,
  BlockAffinity: parseAffinity,
  IPAMBlock: parseBlock,
}

const CALICO_VERSIONS = ['projectcalico.org/v3', 'crd.projectcalico.org/v1']
/** Of the kinds that we share with Calico. */
const SHARED_VERSIONS = ['godwit.dev/v1', ...CALICO_VERSIONS]
const API_VERSIONS: Readonly<Record<Kind, readonly string[]>> = {
  Node: ['v1'],
  Service: ['v1'],
  EndpointSlice: ['discovery.k8s.io/v1'],
  Pod: ['v1'],
  Secret: ['v1'],
  BGPConfiguration: SHARED_VERSIONS,
  BGPPeer: SHARED_VERSIONS,
  BGPFilter: SHARED_VERSIONS,
  BGPAdvertisement: ['godwit.dev/v1'],
  IPPool: SHARED_VERSIONS,
  FelixConfiguration: CALICO_VERSIONS,
  BlockAffinity: CALICO_VERSIONS,
  IPAMBlock: CALICO_VERSIONS,
}

/** Calico writes these itself, in one form only: they are not normalized. */
const IPAM: readonly Kind[] = ['BlockAffinity', 'IPAMBlock']

/** The kinds whose objects are used in part if they have errors. */
const PARTLY_USED: readonly Kind[] = ['Node', 'BGPConfiguration', 'BGPAdvertisement', 'IPPool']

/** About what an item of a list or an entry of a map takes to read, in microseconds. */
const ITEM_COST = 2

export function parseObject<K extends Kind>(ref: ObjectRef & { readonly kind: K }, object: unknown): Parsed<K> {
  return finish(parseInSteps(ref, object))
}

/** The same in steps. Long lists of the kinds that people write are read in parts, everything else in one. */
export function* parseInSteps<K extends Kind>(ref: ObjectRef & { readonly kind: K }, object: unknown): Work<Parsed<K>> {
  const findings = new Findings(objectName(ref))
  const value = isRecord(object)
    ? yield* parseRecord(ref, object, findings)
    : findings.wrong('', object, 'is not an object')
  const partial = PARTLY_USED.includes(ref.kind) ? value : undefined
  const { refused, problems } = findings
  yield findings.items * ITEM_COST
  return refused ? { value: undefined, partial, refused, problems } : { value, partial: undefined, refused, problems }
}

function* parseRecord<K extends Kind>(
  ref: ObjectRef & { readonly kind: K },
  object: Record<string, unknown>,
  findings: Findings,
): Work<ParsedObjects[K] | undefined> {
  // The items of a list have no kind and apiVersion.
  const { kind, apiVersion } = object
  if (kind !== undefined && kind !== ref.kind) return findings.wrong('kind', kind, `is not ${ref.kind}`)
  const groups = API_VERSIONS[ref.kind]
  if (apiVersion !== undefined && !groups.some((group) => group === apiVersion)) {
    return findings.wrong('apiVersion', apiVersion, `is not ${groups.join(' or ')}`)
  }
  if (groups.includes('godwit.dev/v1')) tellOfStrayFields(object, findings)
  const isCalicos = typeof apiVersion === 'string' && CALICO_VERSIONS.includes(apiVersion) && !IPAM.includes(ref.kind)
  const parsed = PARSERS[ref.kind](isCalicos ? asCalicoReads(object, findings) : object, ref, findings)
  return parsed !== undefined && isWork(parsed) ? yield* parsed : parsed
}

const isWork = <Value extends object>(parsed: Value | Work<Value | undefined>): parsed is Work<Value | undefined> =>
  'next' in parsed

const FIELDS = ['apiVersion', 'kind', 'metadata', 'spec', 'status']

/** Reports unknown fields at the top, such as `Spec`. A server drops them; a file may have them. */
function tellOfStrayFields(object: Record<string, unknown>, findings: Findings): void {
  for (const field of Object.keys(object)) {
    if (!FIELDS.includes(field)) findings.say('field-unknown', field, 'is not a field of this kind; it is ignored')
  }
}
