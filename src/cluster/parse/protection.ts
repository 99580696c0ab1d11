/**
 * What protects a session: keys of TCP-MD5 (RFC 2385) or TCP-AO (RFC 5925), by name and never by value, and the distance
 * a packet may come from.
 */
import { AO_ALGORITHMS, type AoAlgorithm, type ChainKey, type Signing } from '../intent.ts'
import type { SecretKeyRef } from '../objects.ts'
import { type Fields, isRecord } from './fields.ts'

interface SigningFields {
  readonly password: string
  readonly keyChain: string
}

export const PEER_FIELDS: SigningFields = { password: 'password', keyChain: 'keyChain' }
export const MESH_FIELDS: SigningFields = { password: 'nodeMeshPassword', keyChain: 'nodeMeshKeyChain' }

/** As many keys as a rollover can need, and a bound on what a socket has to hold. */
const MOST_KEYS = 8
const LARGEST_ID = 255
const NO_REF = 'needs secretKeyRef with name and key'

export interface ParsedSigning {
  readonly signing: Signing<SecretKeyRef> | undefined
  /** Why no session may start: signatures are asked for, and which ones cannot be read. */
  readonly held: string | undefined
}

/**
 * `password: {secretKeyRef: {name, key}}`, or `keyChain: [{sendID, receiveID, algorithm, secretKeyRef}]`. Values at fault
 * stay untold: one may be the key itself.
 */
export function parseSigning(spec: Fields, { password, keyChain }: SigningFields, whose: string): ParsedSigning {
  const holds = (field: string, says: string, held: string): ParsedSigning => {
    spec.findings.holds(spec.at(field), `${says}; ${whose} is held down`)
    return { signing: undefined, held }
  }
  const [asksMd5, asksAo] = [spec.has(password), spec.has(keyChain)]
  if (asksMd5 && asksAo) {
    const says = `may not be given together with ${password}`
    return holds(keyChain, says, `${keyChain} ${says}`)
  }
  if (asksMd5) {
    const key = refOf(spec.raw(password))
    if (key !== undefined) return { signing: { kind: 'md5', key }, held: undefined }
    return holds(password, NO_REF, `${password} does not name a Secret and its key`)
  }
  if (!asksAo) return { signing: undefined, held: undefined }
  const keys = readChain(spec.raw(keyChain))
  if (typeof keys !== 'string') return { signing: { kind: 'ao', keys }, held: undefined }
  return holds(keyChain, keys, `${keyChain} ${keys}`)
}

/** What is wrong with it, or the keys. */
function readChain(raw: unknown): readonly ChainKey<SecretKeyRef>[] | string {
  if (!Array.isArray(raw) || raw.length === 0 || raw.length > MOST_KEYS)
    return `is not a list of 1 to ${MOST_KEYS} keys`
  const keys: ChainKey<SecretKeyRef>[] = []
  for (const [index, item] of raw.entries()) {
    const key = readChainKey(item)
    if (typeof key === 'string') return `is wrong: [${index}] ${key}`
    // RFC 5925 §3.1: an ID stands for one key of a connection, in each direction.
    if (keys.some(({ sendId }) => sendId === key.sendId)) return `is wrong: [${index}] has the sendID of another key`
    if (keys.some(({ receiveId }) => receiveId === key.receiveId)) {
      return `is wrong: [${index}] has the receiveID of another key`
    }
    keys.push(key)
  }
  return keys
}

function readChainKey(item: unknown): ChainKey<SecretKeyRef> | string {
  if (!isRecord(item)) return 'is not an object'
  const { sendID, receiveID = sendID, algorithm = AO_ALGORITHMS[0] } = item
  if (!isId(sendID)) return `needs a sendID from 0 to ${LARGEST_ID}`
  if (!isId(receiveID)) return `has a receiveID that is not from 0 to ${LARGEST_ID}`
  if (!isAlgorithm(algorithm)) return `has an algorithm that is none of ${AO_ALGORITHMS.join(', ')}`
  const key = refOf(item)
  return key === undefined ? NO_REF : { sendId: sendID, receiveId: receiveID, algorithm, key }
}

function refOf(raw: unknown): SecretKeyRef | undefined {
  const { name, key } = isRecord(raw) && isRecord(raw.secretKeyRef) ? raw.secretKeyRef : {}
  return isText(name) && isText(key) ? { name, key } : undefined
}

/** Hops that a packet of the neighbor may have come over (RFC 5082), as Calico has it: 1 for one on the link. */
export function parseTtlSecurity(spec: Fields): number | undefined {
  // No hops are no TTL security.
  return spec.whole('ttlSecurity', 0, 255) || undefined
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

const isId = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= LARGEST_ID

const isAlgorithm = (value: unknown): value is AoAlgorithm => AO_ALGORITHMS.some((one) => one === value)
