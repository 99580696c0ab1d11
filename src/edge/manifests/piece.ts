/** Parses one piece of a file, a document or an item of a List, into plain values. */
import type { Resource } from '../resources.ts'
import { discreet } from './discreet.ts'
import type { PieceKind, PieceReading } from './fault.ts'
import { readJson } from './json-text.ts'
import { type Head, headOf, headOfItem, headOfText, isForeign } from './kinds.ts'
import { readYaml } from './yaml-text.ts'

/** Kubernetes accepts objects of 1.5 MiB; the same in YAML is longer. */
const LARGEST_PIECE = 4 * 1024 * 1024

export const isJson = (text: string): boolean => text.trimStart().startsWith('{')

/** Keeps only `apiVersion` and `kind` of a kind that is not read. */
export function readPiece(text: string, kind: PieceKind, resources: readonly Resource[]): PieceReading {
  const foreign = isJson(text) ? undefined : foreignHead(text, kind, resources)
  if (foreign !== undefined) return { values: [foreign] }
  if (text.length > LARGEST_PIECE)
    return { values: [], fault: { text: `is larger than ${LARGEST_PIECE} bytes`, at: 0 } }
  const { values, fault } = readText(text, kind)
  const heads = values.map((value) => foreignOf(value, resources))
  const kept = values.map((value, index) => heads[index] ?? value)
  // Faults in documents of kinds that are not read are not reported.
  return fault === undefined || (kept.length > 0 && heads.every((head) => head !== undefined))
    ? { values: kept }
    : { values: kept, fault: discreet(fault, text) }
}

function readText(text: string, kind: PieceKind): PieceReading {
  if (isJson(text)) return readJson(text) ?? readYaml(text, 'document')
  const read = readYaml(text, kind)
  if (kind === 'document' || read.fault !== undefined) return read
  const [sequence, ...more] = read.values
  return { values: more.length === 0 && Array.isArray(sequence) ? sequence : [] }
}

function foreignHead(text: string, kind: PieceKind, resources: readonly Resource[]): Head | undefined {
  const head = kind === 'item' ? headOfItem(text) : headOfText(text)
  return head !== undefined && isForeign(head, resources) ? head : undefined
}

function foreignOf(value: unknown, resources: readonly Resource[]): Head | undefined {
  const head = headOf(value)
  return head !== undefined && isForeign(head, resources) ? head : undefined
}
